"""The tables of the database; `damage_tasks.migrations` creates them.

A *finding* is one bundle's result for one photo; an *inspection* is one task's
record and refers to a finding, so that a photo sent twice is examined
and counted once.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from damage_tasks.inspection import MAX_CAMERA_CHARACTERS
from damage_tasks.results.column_types import Id, Json, Key, Moment

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

MAX_WORKER_CHARACTERS = 256
MAX_SUBJECT_CHARACTERS = 256

_VERDICTS = "verdict IN ('damaged', 'clean', 'rejected', 'failed')"

findings = Table(
    "findings",
    metadata,
    Column("id", Key, primary_key=True),
    Column("photo_sha256", String(64), nullable=False),
    Column("bundle_digest", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("damage_score", Float, nullable=False),
    Column("decided_by", String(64), nullable=False),
    Column("scores", Json, nullable=False),
    Column("reason_code", String(64)),
    Column("reason_text", Text),
    Column("photo_width", Integer, nullable=False),
    Column("photo_height", Integer, nullable=False),
    Column("quality", Json),
    Column("overlay_url", Text),
    Column("mask_url", Text),
    Column("created_at", Moment, nullable=False),
    Column("camera", String(MAX_CAMERA_CHARACTERS)),
    UniqueConstraint("photo_sha256", "bundle_digest"),
    CheckConstraint(_VERDICTS, name="verdict"),
)

damages = Table(
    "damages",
    metadata,
    Column("finding_id", Key, ForeignKey("findings.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("type", String(64), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("area_px", BigInteger, nullable=False),
    Column("area_ratio", Float, nullable=False),
    Column("x", Integer, nullable=False),
    Column("y", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("polygon", Json, nullable=False),
    Index(None, "type", "severity"),
)

inspections = Table(
    "inspections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("photo_url", Text),
    Column("photo_sha256", String(64)),
    Column("photo_bytes", BigInteger),
    Column("photo_width", Integer),
    Column("photo_height", Integer),
    Column("verdict", String(16), nullable=False),
    Column("damage_score", Float),
    Column("reason_code", String(64)),
    Column("reason_text", Text),
    Column("finding_id", Key, ForeignKey("findings.id")),
    Column("reused", Boolean, nullable=False),
    Column("bundle_name", String(64)),
    Column("bundle_version", String(64)),
    Column("bundle_digest", String(64)),
    Column("timings_ms", Json, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("finished_at", Moment, nullable=False),
    # A failure stored before the last attempt only counts after this time.
    Column("final_after", Moment),
    # Photos of one occasion, and how many of them the sender announced.
    Column("case_id", Id),
    Column("case_photos", Integer),
    # Where the sender receives the events of this photo.
    Column("callback_url", Text),
    # When a person last decided; None puts the inspection on the work lists.
    Column("decided_at", Moment),
    # Whether the damage score was in the review band; None from older workers.
    Column("is_unsure", Boolean),
    # Make and model, from EXIF.
    Column("camera", String(MAX_CAMERA_CHARACTERS)),
    # Whether the photo is of poor quality; None from older workers.
    Column("is_poor", Boolean),
    CheckConstraint(_VERDICTS, name="verdict"),
    Index(None, "photo_sha256"),
    # Presigned URLs are too long for a B-tree entry, and are only matched in full.
    Index(None, "photo_url", postgresql_using="hash"),
    Index(None, "finished_at"),
    Index(None, "verdict", "finished_at"),
    Index(None, "finding_id"),
)

# Photos without a verdict; best effort, because workers of older versions do not write it.
progress = Table(
    "progress",
    metadata,
    Column("id", Id, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("message_sent_at", Moment, nullable=False),
    Column("receives", Integer, nullable=False),
    Column("reason_code", String(64)),
    Column("reason_text", Text),
    Column("next_attempt_at", Moment),
    Column("had_photo", Boolean, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("worker", String(MAX_WORKER_CHARACTERS)),
    Column("since", Moment),
    Index(None, "updated_at"),
)

# What people decided about inspections. There is no foreign key: a failure that a later verdict
# replaces may be deleted.
decisions = Table(
    "decisions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("inspection_id", Id, nullable=False),
    Column("person", String(256), nullable=False),
    Column("action", String(16), nullable=False),
    Column("payload", Json, nullable=False),
    Column("seconds", Float),
    Column("bundle_digest", String(64)),
    Column("made_at", Moment, nullable=False),
    Column("undone_at", Moment),
    Index(None, "inspection_id"),
    Index(None, "made_at"),
)

_IS_WAITING = text("state = 'waiting'")

# Events to send: one row for each event and target.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Key, primary_key=True),
    Column("event_id", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("inspection_id", Id),
    # Only of events about a whole case; None from older workers.
    Column("case_id", Id),
    Column("target", Text, nullable=False),
    # What can fail as a whole: an ARN, or the scheme, host and port of a webhook.
    Column("destination", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Moment, nullable=False),
    Column("error", Text),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index(
        None,
        "destination",
        "next_attempt_at",
        postgresql_where=_IS_WAITING,
        sqlite_where=_IS_WAITING,
    ),
    Index(None, "inspection_id"),
    Index(None, "state", "ended_at"),
)

# Targets that want no more events.
disabled_targets = Table(
    "disabled_targets",
    metadata,
    Column("target", String(2048), primary_key=True),
    Column("disabled_at", Moment, nullable=False),
)

# Who is looking at which inspection; rows are deleted some minutes later.
assignments = Table(
    "assignments",
    metadata,
    Column("inspection_id", Id, primary_key=True),
    Column("person", String(256), nullable=False),
    Column("until", Moment, nullable=False),
)

# What earlier photos of the same car show at the places of damaged areas.
car_comparisons = Table(
    "car_comparisons",
    metadata,
    Column("inspection_id", Id, primary_key=True),
    Column("earlier_id", Id, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("evidence", Json, nullable=False),
    Column("compared_at", Moment, nullable=False),
    Index(None, "earlier_id"),
)

# What other bundles find on photos that have a verdict. It is only compared, and never counts.
comparison_findings = Table(
    "comparison_findings",
    metadata,
    Column("photo_sha256", String(64), primary_key=True),
    Column("bundle_digest", String(64), primary_key=True),
    Column("bundle_name", String(64), nullable=False),
    Column("bundle_version", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("damage_score", Float, nullable=False),
    Column("photo_width", Integer, nullable=False),
    Column("photo_height", Integer, nullable=False),
    Column("damages", Json, nullable=False),
    Column("timings_ms", Json, nullable=False),
    Column("examined_at", Moment, nullable=False),
    CheckConstraint(_VERDICTS, name="verdict"),
    Index(None, "bundle_version", "examined_at"),
)

# Past photos that a rerun puts through another bundle: who examines one, and why it failed.
reexaminations = Table(
    "reexaminations",
    metadata,
    Column("photo_sha256", String(64), primary_key=True),
    Column("bundle_digest", String(64), primary_key=True),
    # No other worker begins before then.
    Column("claimed_until", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ended_at", Moment),
    # Where the bytes came from: "kept" or "url".
    Column("source", String(8)),
    Column("reason_code", String(64)),
    Column("reason_text", Text),
)

# Alerts that one worker posts for all, for a day.
fleet_alerts = Table(
    "fleet_alerts",
    metadata,
    Column("subject", String(MAX_SUBJECT_CHARACTERS), primary_key=True),
    Column("claimed_at", Moment, nullable=False),
)
