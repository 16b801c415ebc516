"""Check that built packages contain no weights: `package_contents.py dist/*`.

The default bundle is for evaluation only, so it is not published (see NOTICE).
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

WEIGHTS = frozenset({".bin", ".ckpt", ".onnx", ".pt", ".pth", ".safetensors", ".xml"})
# Larger files would be weights or photos, whatever their names are.
LARGEST_BYTES = 500_000
# For the pages of evidence.
FONT = "evidence/fonts/NanumSquareR.ttf"
REQUIRED = frozenset({"LICENSE", "NOTICE", "__init__.py"})


def sizes(package: Path) -> dict[str, int]:
    """The size in bytes of each file in a wheel or a source archive, by path."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            return {file.filename: file.file_size for file in wheel.infolist()}
    with tarfile.open(package) as archive:
        return {file.name: file.size for file in archive if file.isfile()}


def problems(package: Path) -> list[str]:
    """One line for each file that must not be in the package, or that it lacks."""
    files = sizes(package)
    names = {PurePosixPath(path).name for path in files}
    return [
        *(f"{package.name} contains {path}" for path in files if _is_unwanted(path, files[path])),
        *(f"{package.name} has no {name}" for name in sorted(REQUIRED - names)),
    ]


def _is_unwanted(path: str, size: int) -> bool:
    return (
        "model_store/default/" in path
        or PurePosixPath(path).suffix in WEIGHTS
        or (size > LARGEST_BYTES and not path.endswith(FONT))
    )


if __name__ == "__main__":
    packages = [Path(name) for name in sys.argv[1:]]
    if [package.suffix for package in sorted(packages)] != [".whl", ".gz"]:
        sys.exit(f"expected one wheel and one source archive: {sys.argv[1:]}")
    if found := [problem for package in packages for problem in problems(package)]:
        sys.exit("\n".join(found))
    for package in packages:
        sys.stdout.write(f"{package}: {len(sizes(package))} files, no weights\n")
