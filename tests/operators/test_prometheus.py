"""Metrics of real photos, scraped by a real Prometheus; alert rules; the dashboard's queries."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.samples import write_samples
from damage_tasks.sqs.queues import MAX_RECEIVES
from tests.integration.conftest import queue_counts
from tests.operators.conftest import scrape, verdicts, wait_until
from tests.operators.dashboard_drawing import draw_dashboard
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "deploy/monitoring/prometheus"
KINDS = {"alerting": "alert", "recording": "record"}  # in Prometheus, and in the file
DASHBOARD = json.loads((ROOT / "deploy/monitoring/grafana/damage-tasks.json").read_text())
EXPRESSIONS = [
    # With "All" chosen.
    (panel["title"], re.sub(r"\$(namespace|environment|lane)", ".*", target["expr"]))
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
]
# These need data that a run of a few seconds does not produce.
MAY_BE_EMPTY = (
    "damage_retries_total",
    "damage_gate_exits_total",
    "damage_damages_total",
    "damage_event_",  # of the deliverer
    "damage_recall",  # of the inspectors' page, like the next three
    "damage_drift",
    "damage_precision",
    "damage_review_share",
)


def promtool(*words: str) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is missing: run tests/install.sh"
    done = subprocess.run([program, *words], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rule_names(key: str) -> list[str]:
    """The names of the alerts (``alert``) or recordings (``record``) in the file of rules."""
    groups = yaml.safe_load((RULES / "rules.yml").read_text())["groups"]
    return [rule[key] for group in groups for rule in group["rules"] if key in rule]


@pytest.mark.server
def test_alert_rules_fire_and_stay_silent_as_they_should() -> None:
    promtool("check", "rules", "rules.yml")
    promtool("test", "rules", "rules.test.yml", "rules-over-days.test.yml")


def test_every_alert_is_explained_to_operators() -> None:
    text = (ROOT / "docs/operators.md").read_text()
    names = rule_names("alert")
    assert len(names) == 21
    for name in names:
        assert f"### {name}\n" in text


def test_every_panel_and_alert_can_be_narrowed_to_a_namespace() -> None:
    groups = yaml.safe_load((RULES / "rules.yml").read_text())["groups"]
    metric = re.compile(r"\b(?:damage|flower|kube)_[\w:]+(?:\{([^}]*)\})?")
    for rule in (rule for group in groups for rule in group["rules"]):
        assert all('namespace=~".*"' in labels for labels in metric.findall(rule["expr"])), rule
    both = 'namespace=~"$namespace",environment=~"$environment"'
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            assert all(both in labels for labels in metric.findall(target["expr"])), target
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables == ["datasource", "namespace", "environment", "lane"]
    by_lane = re.compile(
        r"damage_(?:photos_total|photos_late|verdict_|queue_age|queue_wait)[\w:]*\{([^}]*)\}"
    )
    for _, expression in EXPRESSIONS:
        assert all('lane=~".*"' in labels for labels in by_lane.findall(expression)), expression


def quiet(stack: Stack) -> None:
    """Wait until the failed photos of other tests have been delivered for the last time."""
    wait_until(lambda: queue_counts(stack) == (0, 0), "an empty queue", 180)


class Prometheus:
    """A real Prometheus that scrapes the monitored worker and Flower every half second."""

    def __init__(self, folder: Path, *targets: str) -> None:
        self.port = free_port()
        program = shutil.which("prometheus")
        assert program, "prometheus is missing: run tests/install.sh"
        config = {
            "global": {"scrape_interval": "500ms", "evaluation_interval": "1s"},
            "rule_files": [str(RULES / "rules.yml")],
            "scrape_configs": [
                {"job_name": "damage-tasks", "static_configs": [{"targets": list(targets)}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self.child = Child(
            "Prometheus",
            [program, f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
            log=folder / "prometheus.log",
            environment={},
        )  # fmt: skip
        self.child.start()

    def ask(self, expression: str) -> list[Any]:
        """The expression's current value."""
        query = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{query}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            document = json.load(answer)
        assert document["status"] == "success"
        found: list[Any] = document["data"]["result"]
        return found

    def ask_range(self, expression: str) -> list[Any]:
        """The expression's values in the last minute, every half second."""
        query = urllib.parse.urlencode(
            {"query": expression, "start": time.time() - 60, "end": time.time(), "step": "0.5"}
        )
        url = f"http://127.0.0.1:{self.port}/api/v1/query_range?{query}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
        return found

    def is_up(self) -> bool:
        """Whether both targets were scraped."""
        try:
            return [row["value"][1] for row in self.ask("up")] == ["1", "1"]
        except OSError:
            return False


@pytest.fixture(scope="session")
def prometheus(
    running_watched: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes while photos are examined."""
    assert running_watched.flower is not None
    prometheus = Prometheus(
        tmp_path_factory.mktemp("prometheus"),
        f"127.0.0.1:{running_watched.environment['DAMAGE_METRICS_PORT']}",
        f"127.0.0.1:{running_watched.flower.port}",
    )
    wait_until(prometheus.is_up, "Prometheus scraping")
    yield prometheus
    prometheus.child.terminate()
    prometheus.child.wait(10)


@pytest.mark.xdist_group("watched")
def test_counts_of_all_processes_are_added_up(watched: Stack, site: Site) -> None:
    quiet(watched)
    before = scrape(watched)
    good = [site.serve(f"/m-{n}.jpg", jpeg(640, 480, seed=500 + n)) for n in range(4)]
    found = verdicts([detect_damage.delay(u).id for u in [*good, site.url + "/none.jpg"]])
    after = scrape(watched)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    clean = 'damage_photos_total{lane="bulk",reason="",verdict="clean"}'
    damaged = 'damage_photos_total{lane="bulk",reason="",verdict="damaged"}'
    rejected = 'damage_photos_total{lane="bulk",reason="photo_not_found",verdict="rejected"}'
    assert (grown(clean) + grown(damaged), grown(rejected)) == (4, 1)
    assert list(found.values()).count("rejected") == 1
    assert grown('damage_stage_seconds_count{stage="segmentation"}') == 4
    assert grown("damage_photo_bytes_count") == 4
    assert grown("damage_score_count") == 4
    assert grown('damage_queue_wait_seconds_count{lane="bulk"}') == 5
    assert grown('damage_verdict_seconds_count{lane="bulk"}') == 5
    assert after["damage_model_load_seconds"] > 0
    assert any(name.startswith('damage_bundle_info{digest="') for name in after)
    assert after["damage_processes"] == after["damage_processes_wanted"] == 2
    assert after["damage_polls_total"] > 0
    assert after["damage_queue_up"] == 1
    assert after['damage_dead_letters{queue="damage-dead-letters"}'] >= 0


@pytest.mark.xdist_group("watched")
def test_a_photo_that_fails_is_counted_once_however_often_it_is_delivered(
    watched: Stack, site: Site
) -> None:
    quiet(watched)
    before = scrape(watched)
    detect_damage.delay(site.serve("/counted.jpg", b"", 500))

    def grown() -> dict[str, float]:
        after = scrape(watched)
        return {
            name: value - before.get(name, 0)
            for name, value in after.items()
            if 'verdict="failed"' in name or name.startswith("damage_failed_deliveries_total")
            if value != before.get(name, 0)
        }

    counted = wait_until(
        lambda: grown() if any("photos" in name for name in grown()) else None,
        "the last delivery",
        120,
    )
    assert counted == {
        'damage_photos_total{lane="bulk",reason="retries_exhausted",verdict="failed"}': 1,
        'damage_failed_deliveries_total{reason="retries_exhausted"}': MAX_RECEIVES,
    }


def examine_samples(folder: Path, site: Site) -> None:
    for n, sample in enumerate(sorted(folder.iterdir())):
        if sample.suffix not in (".jpg", ".png", ".webp", ".heic"):
            continue
        url = site.serve(f"/d-{n}.jpg", sample.read_bytes())
        sent = [detect_damage.delay(url).id]
        if n % 3 == 0:
            sent.append(detect_damage.delay(site.url + "/no").id)
        verdicts(sent)
        time.sleep(1)


@pytest.mark.xdist_group("watched")
def test_every_query_of_the_dashboard_gives_data(
    watched: Stack, site: Site, prometheus: Prometheus, tmp_path: Path
) -> None:
    renew = bool(os.environ.get("SCREENSHOTS"))
    write_samples(tmp_path, 24 if renew else 3)
    examine_samples(tmp_path, site)
    missing = {
        expression: title
        for title, expression in EXPRESSIONS
        if not any(name in expression for name in MAY_BE_EMPTY)
    }
    for _, expression in EXPRESSIONS:
        prometheus.ask(expression.replace("$__rate_interval", "1m"))  # none is rejected

    def all_there() -> bool:
        for expression in list(missing):
            if prometheus.ask(expression.replace("$__rate_interval", "1m")):
                missing.pop(expression)
        return not missing

    try:
        wait_until(all_there, "data of every panel", 30)
    except AssertionError:
        pytest.fail(f"no data: {missing}")
    if renew:
        draw_dashboard(DASHBOARD, prometheus.ask_range, ROOT / "docs/images/dashboard.png")
    assert (ROOT / "docs/images/dashboard.png").exists()


@pytest.mark.xdist_group("watched")
def test_the_adapters_query_gives_what_the_autoscaler_asks_for(
    watched: Stack, prometheus: Prometheus
) -> None:
    values = yaml.safe_load((ROOT / "deploy/monitoring/prometheus/adapter.yaml").read_text())
    (rule,) = values["rules"]["external"]
    metric = yaml.safe_load((ROOT / "helm/examples/hpa.yaml").read_text())["autoscaling"]["hpa"][
        "metric"
    ]
    assert rule["name"]["as"] == metric["name"]
    series = rule["seriesQuery"].partition("{")[0]
    (matcher,) = metric["selector"]["matchLabels"].items()
    query = rule["metricsQuery"].replace("<<.Series>>", series)
    query = query.replace("<<.LabelMatchers>>", '{}="{}"'.format(*matcher))
    (answer,) = wait_until(lambda: prometheus.ask(query), "the metric")
    assert answer["metric"] == {"queue": "damage"}
    assert float(answer["value"][1]) >= 0


@pytest.mark.xdist_group("watched")
def test_prometheus_takes_our_rules(watched: Stack, prometheus: Prometheus) -> None:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{prometheus.port}/api/v1/rules", timeout=60
    ) as answer:
        groups = json.load(answer)["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    taken = {kind: [rule["name"] for rule in rules if rule["type"] == kind] for kind in KINDS}
    assert taken == {kind: rule_names(key) for kind, key in KINDS.items()}
