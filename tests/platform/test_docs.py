"""The commands, targets, links and values in the documentation exist."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tests.helm.chart import render_only
from tests.platform.template import ROOT, read_template

NAMES = ("platform.md", "developers.md", "other-languages.md")
PAGES = {name: (ROOT / "docs" / name).read_text() for name in NAMES}
MAKEFILE = (ROOT / "Makefile").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_a_command(page: str) -> None:
    for block in blocks(page, "sh"):
        run = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page: str) -> None:
    shell = "\n".join(blocks(page, "sh"))
    inline = re.findall(r"`((?:\w+=\S+ )?make [^`]+)`", PAGES[page])
    for target in re.findall(r"\bmake ([a-z-]+)", "\n".join([shell, *inline])):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        path, _, anchor = link.partition("#")
        if path.startswith("http"):
            continue
        target = ROOT / "docs" / path if path else ROOT / "docs" / page
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in anchors, link


def test_the_outputs_and_parameters_of_the_template_exist() -> None:
    template = read_template()
    used = set(re.findall(r"\$\(output (\w+)\)", PAGES["platform.md"]))
    assert used <= set(template["Outputs"])
    assert {"QueueUrl", "OverlaysBucket", "ModelsBucket"} <= used
    block = next(block for block in blocks("platform.md", "sh") if "cloudformation" in block)
    given = set(re.findall(r"(\w+)=(?:\$CLUSTER|ops@|arn:)", block))
    assert given == {"ClusterName", "AlarmEmail", "PhotoBuckets"}
    assert given <= set(template["Parameters"])


def test_the_pages_values_install() -> None:
    block = next(block for block in blocks("platform.md", "sh") if "my-values.yaml <<END" in block)
    text = block.split("<<END\n")[1].split("\nEND")[0]
    known = {
        "$(output QueueUrl)": "https://sqs.eu-central-1.amazonaws.com/123456789012/damage",
        "$(output OverlaysBucket)": "overlays",
        "$(output LogsBucket)": "logs",
        "$REGISTRY": "registry.example",
        "$VERSION": "0.1.0",
        "$BUNDLE": "s3://models/damage/1.0.0",
    }
    for name, value in known.items():
        text = text.replace(name, value)
    assert "$" not in text
    documents = render_only(yaml.safe_load(text))
    image = documents.pods["Deployment/damage-tasks-worker"]["containers"][0]["image"]
    assert image == "registry.example/damage-tasks:0.1.0"


def test_the_ports_of_the_table_are_the_compose_files() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for variable in ("FLOWER", "AWS", "POSTGRES", "EVENT_BUS", "PROMETHEUS", "GRAFANA"):
        assert f"{variable}_PORT" in PAGES["developers.md"]
        assert f"${{{variable}_PORT:-" in compose
    for port in re.findall(r"127\.0\.0\.1:(\d+)", PAGES["developers.md"]):
        assert f":-{port}}}:" in compose, port
