"""Inspections with kept photos, overlays and people's decisions, and a key to sign with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from damage_tasks.evidence.signatures import load_key, new_key, public_key_of
from damage_tasks.evidence.signed_evidence import SignedEvidence, evidence_of_inspection
from damage_tasks.results.store import Inspections
from damage_tasks.settings import get_settings
from tests.labelling.conftest import DENT, SCRATCH, Archive
from tools.sample_pictures_and_results import jpeg

NOTE = "앞문 오른쪽에 긁힘이 있습니다"


class EvidenceArchive(Archive):
    """An archive with overlays, whose evidence is signed."""

    public_key = ""

    def add(self, name: str, *damages: Any, **changes: Any) -> str:
        """Store an inspection as `Archive.add` does, with an overlay."""
        overlay = f"overlays/{name}.jpg"
        self._client.put_object(Bucket=self._bucket, Key=overlay, Body=jpeg(400, 300, seed=1))
        found = {"overlay_url": f"s3://{self._bucket}/{overlay}", **changes.pop("found", {})}
        return super().add(name, *damages, found=found, **changes)

    def lose(self, key: str) -> None:
        """Delete an object of the bucket."""
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def evidence(self, name: str, made_by: str = "ann") -> SignedEvidence:
        """Signed evidence about the inspection ``name``."""
        return evidence_of_inspection(self.store, get_settings(), name, made_by)


@pytest.fixture
def evidence_archive(
    aws: Any, bucket: str, migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EvidenceArchive]:
    pem = new_key().decode()
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_sqlite_url)
    monkeypatch.setenv("DAMAGE_BUCKET", bucket)
    monkeypatch.setenv("DAMAGE_EVIDENCE_KEY", pem)
    archive = EvidenceArchive(Inspections(migrated_sqlite_url), aws.client("s3"), bucket)
    archive.public_key = public_key_of(load_key(pem))
    yield archive
    archive.store.close()


@pytest.fixture
def decided(evidence_archive: EvidenceArchive) -> EvidenceArchive:
    """With the inspection ``car``, two areas of which 김철수 confirmed one and rejected one."""
    evidence_archive.add("car", DENT, SCRATCH, metadata={"car_id": 7})
    evidence_archive.decide("car", "confirm", "김철수", damage=1)
    evidence_archive.decide("car", "no_damage", "김철수", damage=2)
    evidence_archive.decide("car", "note", "김철수", text=NOTE)
    return evidence_archive
