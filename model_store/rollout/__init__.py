"""Roll-outs: which bundles serve which share of the photos."""

from model_store.rollout.pointer import (
    POINTER_FILE,
    Pointer,
    StoredRollout,
    bundle_uri,
    is_pointer,
    pointer_at,
)
from model_store.rollout.rollout_document import (
    NamedBundle,
    Rollout,
    Share,
    parse_rollout,
    rolled_back,
    with_percentages,
)

__all__ = [
    "POINTER_FILE",
    "NamedBundle",
    "Pointer",
    "Rollout",
    "Share",
    "StoredRollout",
    "bundle_uri",
    "is_pointer",
    "parse_rollout",
    "pointer_at",
    "rolled_back",
    "with_percentages",
]
