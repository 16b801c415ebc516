"""Uploads photos to the compose stack's bucket, submits them and waits for the verdicts.

Without a file, it uses sample photos: `upload_and_submit.py [FILE ...]`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import boto3

from damage_tasks.samples import write_samples

BUCKET = "damage-photos"


def main() -> int:
    """Send the photos and wait for their verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        photos = [Path(name) for name in sys.argv[1:]] or write_samples(folder, 4)
        s3 = boto3.client("s3")
        visit = uuid.uuid4().hex[:8]
        urls = []
        for photo in photos:
            key = f"{visit}/{photo.name}"
            s3.upload_file(str(photo), BUCKET, key)
            urls.append(f"s3://{BUCKET}/{key}")
    return subprocess.call(["damage-tasks", "submit", *urls, "--wait"])


if __name__ == "__main__":
    sys.exit(main())
