"""Imports go one way, down the floors of the architecture."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The longest prefix of a module's name decides.
FLOORS = {
    "damage_tasks.errors": 0,
    "damage_tasks.inspection": 0,
    "damage_tasks.settings": 0,
    "damage_tasks.storage.aws_clients": 0,
    "damage_tasks.vision.bounding_box": 1,
    "damage_tasks.resize": 1,
    "damage_tasks.storage": 1,
    "model_store": 1,
    "damage_tasks.photos": 2,
    "damage_tasks.vision": 2,
    "damage_tasks.overlay": 2,
    "damage_tasks.results": 2,
    "damage_tasks.migrations": 2,
    "damage_tasks.telemetry": 2,
    "damage_tasks.samples": 2,
    "damage_tasks.ports": 2,
    "damage_tasks.vision.self_test": 3,
    "damage_tasks.pipeline": 3,
    "damage_tasks.app": 4,
    "damage_tasks.tasks": 4,
    "damage_tasks.worker": 4,
    "damage_tasks.results.celery_backend": 4,
    "damage_tasks.sqs": 4,
    "damage_tasks.event_bus": 4,
    "damage_tasks.flower": 4,
    "worker_config": 4,
    "damage_tasks": 4,  # the public door
    "damage_tasks.devstack": 5,
    "damage_tasks.cli": 5,
    "damage_tasks.__main__": 5,
    "model_training": 5,
    "model_store.__main__": 5,
}
# Parts of floor 2 that may know each other: one belongs to the other.
FAMILIES = [{"damage_tasks.results", "damage_tasks.migrations"}]

ONLY_IN = {
    "celery": {"damage_tasks.app", "damage_tasks.tasks", "damage_tasks.worker", "damage_tasks.sqs",
               "damage_tasks.results.celery_backend", "damage_tasks.event_bus",
               "damage_tasks.flower"},
    "kombu": {"damage_tasks.sqs", "damage_tasks.event_bus", "damage_tasks.worker"},
    "sqlalchemy": {"damage_tasks.results", "damage_tasks.migrations"},
    "torch": {"model_store.engines.torch", "model_store.engines.exported",
              "model_store.architectures", "model_training"},
    "openvino": {"model_store.engines.openvino", "model_store.architectures", "model_training"},
    "nncf": {"model_training"},
    "boto3": {"damage_tasks.storage.aws_clients", "damage_tasks.devstack"},
    "flower": {"damage_tasks.flower.application"},
}  # fmt: skip


def sources() -> list[Path]:
    found = [ROOT / "worker_config.py"]
    for package in ("damage_tasks", "model_store", "model_training"):
        found += sorted((ROOT / package).rglob("*.py"))
    return [path for path in found if "versions" not in path.parts]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str, names: object) -> str | None:
    found = [name for name in names if module == name or module.startswith(name + ".")]  # type: ignore[attr-defined]
    return max(found, key=len, default=None)


def imports_of(path: Path) -> set[str]:
    """Every module a file imports, also inside functions; not those for type checkers only."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def wrong_imports(path: Path) -> list[str]:
    me = part_of(module_name(path), FLOORS)
    assert me, f"{path} has no floor"
    problems = []
    for imported in imports_of(path):
        other = part_of(imported, FLOORS)
        if other is None or other == me:
            continue
        if {me, other} in FAMILIES:
            continue
        if FLOORS[other] > FLOORS[me] or (FLOORS[other] == FLOORS[me] == 2):
            problems.append(f"{module_name(path)} imports {imported}")
    return problems


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_a_module_imports_only_from_lower_floors(path: Path) -> None:
    assert not wrong_imports(path)


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_a_heavy_library_is_imported_only_where_it_belongs(path: Path) -> None:
    name = module_name(path)
    for imported in imports_of(path):
        allowed = ONLY_IN.get(imported.partition(".")[0])
        assert not allowed or part_of(name, allowed), f"{name} imports {imported}"


def test_an_import_upwards_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_layers.ROOT", tmp_path)
    wrong = tmp_path / "damage_tasks" / "photos" / "wrong.py"
    wrong.parent.mkdir(parents=True)
    wrong.write_text("def f():\n    from damage_tasks.tasks import detect_damage\n")
    assert wrong_imports(wrong)
    wrong.write_text("from damage_tasks.vision.segmenter import Segmenter\n")
    assert wrong_imports(wrong)
