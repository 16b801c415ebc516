"""The design of the original system, as a plain loop and in plain Celery, for comparison.

One message at a time, eager fp32, default threads, photos decoded in full, damages
blended into them at full size class by class, all steps sequential.  The network,
the thresholds, the result and the early exit at the gate are ours.

``python -m benchmarks.baselines`` is the loop, ``celery -A benchmarks.baselines worker`` the other.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.request
import uuid
from contextlib import suppress
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

QUEUE_URL = os.environ.get("DAMAGE_QUEUE_URL", "http://127.0.0.1:9/0/damage")
COLOURS = ((0, 0, 255), (0, 165, 255), (255, 0, 255), (255, 255, 0))


class EagerEngine:
    """The network as its author would run it."""

    def __init__(self, bundle: Any, name: str) -> None:
        from safetensors.torch import load_file

        from model_store.architectures import build

        weights = bundle.manifest.weights[name]
        self._network: Any = build(weights.architecture, weights.parameters).eval()
        tensors = load_file(bundle.folder / weights.file)
        self._network.load_state_dict({k: t.float() for k, t in tensors.items()}, strict=False)

    def encode(self, photo: Any) -> Any:
        """Same as in our engines."""
        import torch

        with torch.no_grad():
            features, scores = self._network.encode(torch.from_numpy(photo)[None])
        return features, scores[0].numpy()

    def decode(self, state: Any) -> Any:
        """Same as in our engines."""
        import torch

        with torch.no_grad():
            return self._network.decode(state)[0].numpy()


@cache
def loaded_segmenter() -> Any:
    """The networks, loaded once per process."""
    from damage_tasks.settings import get_settings
    from damage_tasks.vision import segmenter
    from model_store.fetch import fetch_bundle

    vars(segmenter)["load_engine"] = lambda bundle, name, *_: EagerEngine(bundle, name)
    settings = get_settings()
    bundle = fetch_bundle(settings.bundle, settings.bundle_cache)
    return segmenter.Segmenter(bundle, threads=os.cpu_count() or 1)


@cache
def database() -> Any:
    """The connection to the database."""
    import psycopg2

    url = os.environ["DAMAGE_DATABASE_URL"].replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


@cache
def client(service: str) -> Any:
    """A boto3 client."""
    from boto3.session import Session

    session: Any = Session()
    return session.client(service)


def inspect(id: str, url: str) -> None:
    """Examine one photo, from its address to its row in the database."""
    import cv2
    import numpy as np

    from damage_tasks.vision.measurement import conclude

    with urllib.request.urlopen(url) as answer:
        data = answer.read()
    photo = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    height, width = photo.shape[:2]
    found = loaded_segmenter().segment(photo)
    conclusion = conclude(
        found, (width, height), loaded_segmenter().decision, loaded_segmenter().types
    )
    whole = cv2.resize(conclusion.mask, (width, height), interpolation=cv2.INTER_NEAREST)
    for number, colour in enumerate(COLOURS, 1):
        mask = (whole == number).astype(np.uint8)
        layer = photo.copy()
        layer[mask > 0] = colour
        photo = cv2.addWeighted(layer, 0.4, photo, 0.6, 0)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(photo, contours, -1, colour, 2)
    bucket = os.environ["DAMAGE_BUCKET"]
    jpeg = cv2.imencode(".jpg", photo)[1].tobytes()
    client("s3").put_object(Bucket=bucket, Key=f"naive/{id}.jpg", Body=jpeg)
    with database().cursor() as cursor:
        cursor.execute(
            "INSERT INTO inspections (id, photo_url, verdict, damage_score, reused, timings_ms, "
            "attempts, metadata, finished_at) VALUES (%s, %s, %s, %s, false, '{}', 1, '{}', now())",
            (id, url, str(conclusion.verdict), found.damage_score),
        )


def loop() -> None:
    """Receive a message, examine its photo, delete it; repeat forever."""
    sqs = client("sqs")
    while True:
        answer = sqs.receive_message(
            QueueUrl=QUEUE_URL, MaxNumberOfMessages=1, WaitTimeSeconds=10, VisibilityTimeout=90
        )
        for message in answer.get("Messages", []):
            inspect(message["MessageId"], json.loads(message["Body"])["image_url"])
            with suppress(ClientError):  # the queue was emptied in the meantime
                sqs.delete_message(QueueUrl=QUEUE_URL, ReceiptHandle=message["ReceiptHandle"])


def celery_body(url: str) -> str:
    """A message as Celery's own producer writes it to SQS."""
    id = str(uuid.uuid4())
    arguments = json.dumps([[id, url], {}, {"callbacks": None, "errbacks": None, "chain": None}])
    message = {
        "body": base64.b64encode(arguments.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "naive", "id": id, "root_id": id, "argsrepr": ""},
        "properties": {
            "correlation_id": id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "damage"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": id,
        },
    }
    return base64.b64encode(json.dumps(message).encode()).decode()


def _celery() -> Any:
    from celery import Celery

    app = Celery("naive", broker="sqs://")
    app.conf.update(
        broker_transport_options={
            "region": "us-east-1",
            "predefined_queues": {"damage": {"url": QUEUE_URL}},
        },
        task_default_queue="damage",
        worker_enable_remote_control=False,
    )
    app.task(name="naive")(inspect)
    return app


if __name__ == "__main__":
    loop()
else:
    app = _celery()
