"""The contents of the image."""

from __future__ import annotations

import json

from tests.containers.container_engine import IMAGE, ROOT, Engine


def shell(engine: Engine, script: str) -> str:
    """Output of a shell inside, with nothing writable, no network and no privileges."""
    return engine.run(
        "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
        "--entrypoint", "sh", IMAGE, "-c", script,
    )  # fmt: skip


def test_it_is_not_root(engine: Engine) -> None:
    assert shell(engine, "id -u; id -g").split() == ["10001", "10001"]


def test_it_holds_no_weights(engine: Engine) -> None:
    script = "find / -xdev \\( -name '*.safetensors' -o -name '*.pt' -o -name '*.pth' \\) -size +1k"
    assert shell(engine, f"{script} 2>/dev/null || true") == ""


def test_it_has_no_compiler(engine: Engine) -> None:
    assert shell(engine, "command -v gcc cc g++ clang make || true") == ""


def test_torch_is_the_cpus(engine: Engine) -> None:
    assert shell(engine, "python -c 'import torch; print(torch.version.cuda)'").strip() == "None"


def test_every_package_can_be_listed(engine: Engine) -> None:
    script = "python -c 'from importlib.metadata import distributions as d; print(len(list(d())))'"
    assert int(shell(engine, script)) > 60


def test_the_migrations_are_in_it(engine: Engine) -> None:
    script = "DAMAGE_DATABASE_URL=sqlite:////tmp/x.db damage-tasks migrate"
    newest = max((ROOT / "damage_tasks/migrations/versions").glob("[0-9]*.py")).name[:4]
    assert f"revision {newest}" in shell(engine, script)


def test_it_says_what_it_is(engine: Engine) -> None:
    (image,) = json.loads(engine.run("image", "inspect", IMAGE))
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "damage-tasks"
    assert image["Config"]["Entrypoint"] == ["/usr/bin/tini", "--"]
    assert image["Config"]["User"] == "10001:10001"


def test_its_size(engine: Engine) -> None:
    (image,) = json.loads(engine.run("image", "inspect", IMAGE))
    ours = shell(engine, "du -sm /opt/damage-tasks | cut -f1").strip()
    print(f"\nimage {image['Size'] / 1e6:.0f} MB, of which ours {ours} MiB")
    assert int(ours) < 1600


def test_networks_run_on_the_fastest_engine(engine: Engine) -> None:
    script = "python -c 'import openvino; print(openvino.Core().available_devices)'"
    assert "CPU" in shell(engine, script)
