"""Viewers see pictures without faces and plates; inspectors see the originals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx2
import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from damage_tasks.results.tables import inspections
from damage_tasks.review.pictures import THUMBNAIL_PX
from tests.review.conftest import Open
from tools.small_redaction_bundle import PLATE, private_photo, write_redaction_bundle

pytestmark = pytest.mark.server
ACCESS = {
    "review_sign_in": "basic",
    "review_passwords": "ann:a,vic:v",
    "review_roles": ("ann=inspector", "vic=viewer"),
}
INSPECTOR, VIEWER = ("ann", "a"), ("vic", "v")


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=60) as client:
        yield client


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(write_redaction_bundle(tmp_path / "redaction"))


def picture_in(response: httpx2.Response) -> NDArray[np.uint8]:
    assert response.status_code == 200, response.text
    picture = cv2.imdecode(np.frombuffer(response.content, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


def plate_in(response: httpx2.Response) -> NDArray[np.uint8]:
    left, top, width, height = PLATE
    return picture_in(response)[top : top + height, left : left + width]


def plate_difference(thumbnail: NDArray[np.uint8], photo: NDArray[np.uint8]) -> float:
    """Mean difference of the plate in a thumbnail from that in a photo of the same size."""
    height, width = thumbnail.shape[:2]
    expected = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    scale = width / photo.shape[1]
    left, top, right, bottom = (
        round(each * scale) for each in (*PLATE[:2], PLATE[0] + PLATE[2], PLATE[1] + PLATE[3])
    )
    difference = cv2.absdiff(thumbnail, expected)[top:bottom, left:right]
    return float(difference.mean())


def is_legible(plate: NDArray[np.uint8]) -> bool:
    """Whether there are characters: squares have hardly any edges."""
    return bool((np.abs(cv2.Laplacian(plate, cv2.CV_64F)) > 40).mean() > 0.05)


@pytest.mark.parametrize("picture", ["photo", "overlay"])
def test_only_inspectors_see_the_plate(
    picture: str,
    bundle: str,
    review_site: Open,
    client: httpx2.Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with review_site(**ACCESS, redact_bundle=bundle) as site:
        path = f"{site.url}/inspections/{site.add_photo(0, private_photo())}"
        for person, legible in ((INSPECTOR, True), (VIEWER, False)) * 2:  # twice: from the cache
            response = client.get(f"{path}/{picture}", auth=person)
            assert is_legible(plate_in(response)) is legible
        assert "Faces and plates are pixelated." in client.get(path, auth=VIEWER).text
        assert "are pixelated" not in client.get(path, auth=INSPECTOR).text
    lines = [record.__dict__ for record in caplog.records if record.message == "got picture"]
    logged = [(line["person"], line["redacted"]) for line in lines]
    assert logged == [("ann", False), ("vic", True)] * 2


def test_thumbnails_are_of_the_redacted_photo(
    bundle: str, review_site: Open, client: httpx2.Client
) -> None:
    with review_site(**ACCESS, redact_bundle=bundle) as site:
        path = f"{site.url}/inspections/{site.add_photo(0, private_photo())}"
        for person in (INSPECTOR, VIEWER, INSPECTOR):  # the other one's is in the cache
            photo = picture_in(client.get(f"{path}/photo", auth=person))
            thumbnail = picture_in(client.get(f"{path}/thumbnail", auth=person))
            assert thumbnail.shape[1] == THUMBNAIL_PX
            other = INSPECTOR if person is VIEWER else VIEWER
            theirs = picture_in(client.get(f"{path}/photo", auth=other))
            assert plate_difference(thumbnail, photo) < plate_difference(thumbnail, theirs) / 2


def test_without_a_bundle_everybody_sees_the_plate(
    review_site: Open, client: httpx2.Client
) -> None:
    with review_site(**ACCESS) as site:
        path = f"{site.url}/inspections/{site.add_photo(0, private_photo())}"
        assert is_legible(plate_in(client.get(f"{path}/photo", auth=VIEWER)))
        assert "are pixelated" not in client.get(path, auth=VIEWER).text


def test_viewers_get_no_picture_if_the_bundle_cannot_be_used(
    tmp_path: Path, review_site: Open, client: httpx2.Client
) -> None:
    with review_site(**ACCESS, redact_bundle=str(tmp_path / "missing")) as site:
        path = f"{site.url}/inspections/{site.add_photo(0, private_photo())}"
        assert is_legible(plate_in(client.get(f"{path}/photo", auth=INSPECTOR)))
        for picture in ("photo", "thumbnail", "overlay"):
            refused = client.get(f"{path}/{picture}", auth=VIEWER)
            assert refused.status_code == 503
            assert "faces and plates cannot be redacted" in refused.text
        page = client.get(path, auth=VIEWER)
        assert (page.status_code, "Photos are not shown" in page.text) == (200, True)
        assert "Photos are not shown" not in client.get(path, auth=INSPECTOR).text


def test_an_erased_photo_is_not_shown_from_memory(
    bundle: str, review_site: Open, client: httpx2.Client
) -> None:
    with review_site(**ACCESS, redact_bundle=bundle) as site:
        path = f"{site.url}/inspections/{site.add_photo(0, private_photo())}"
        assert client.get(f"{path}/photo", auth=VIEWER).status_code == 200
        with site.store.transaction() as connection:
            connection.execute(sa.delete(inspections))
        assert client.get(f"{path}/photo", auth=VIEWER).status_code == 404
