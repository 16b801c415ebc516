"""Whether the parts of a manifest refer to parts that exist.

The functions read the manifest as JSON, in which single keys may be missing or wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from model_store.manifest.part import is_list, objects

ROLES = ("gate", "locate", "segment", "union")


def misfits_of_weights(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Networks with the same name, or with weights that the manifest does not have."""
    networks = objects(manifest.get("networks"))
    names = [str(network["name"]) for network in networks if "name" in network]
    if len(set(names)) != len(names):
        yield "two networks have the same name"
    weights = manifest.get("weights")
    for network in networks:
        name, used = network.get("name"), network.get("weights")
        if isinstance(weights, Mapping) and isinstance(used, str) and used not in weights:
            yield f"network {name}: no weights named {used}"


def misfits_of_networks(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Networks with the same name, or with weights or types that the manifest does not have."""
    yield from misfits_of_weights(manifest)
    networks = objects(manifest.get("networks"))
    types = manifest.get("types")
    for network in networks:
        name, type = network.get("name"), network.get("type")
        if is_list(types) and isinstance(type, str) and type not in types:
            yield f"network {name}: type {type} is not in types"
    yield from _wrong_numbers(networks)


def _wrong_numbers(networks: list[Mapping[str, Any]]) -> Iterator[str]:
    roles = Counter(str(network.get("role")) for network in networks)
    # A misspelt role may be the one that is missing.
    if networks and not roles["segment"] and roles.keys() <= {*ROLES}:
        yield "a bundle needs at least one segment network"
    for role in ("union", "locate"):
        if roles[role] > 1:
            yield f"a bundle has at most one {role} network"


def misfits_of_decision(manifest: Mapping[str, Any]) -> Iterator[str]:
    """A decision that depends on networks that do not exist."""
    decision, networks = manifest.get("decision"), objects(manifest.get("networks"))
    if not isinstance(decision, Mapping) or not is_list(manifest.get("networks")):
        return
    gate, evidence = decision.get("gate"), decision.get("evidence")
    if isinstance(gate, str) and not _is_there(networks, "gate", gate):
        yield f"decision: no gate named {gate}"
    union = evidence.get("network") if isinstance(evidence, Mapping) else None
    if isinstance(union, str) and not _is_there(networks, "union", union):
        yield f"decision: no union network named {union}"


def _is_there(networks: list[Mapping[str, Any]], role: str, name: str) -> bool:
    return any((network.get("role"), network.get("name")) == (role, name) for network in networks)
