"""A run of half a minute: every part restarts once, and no photo is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle
from tools.soak.figures import problems_of, summary, write_figures
from tools.soak.long_run import CHURN, LongRun
from tools.soak.sample_taking import OTHERS, PARENT, WORKER
from tools.soak.samples import CONNECTIONS, DESCRIPTORS, FILES, MEMORY
from tools.soak.steadiness import GROWS, Growth, Trend

PROGRAMS = (PARENT, OTHERS, "deliverer", "Flower")


@pytest.mark.slow
@pytest.mark.xdist_group("soak")
@pytest.mark.server
def test_photos_sent_while_every_part_restarts_all_have_a_verdict(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(3):
        (photos / f"{seed}.jpg").write_bytes(jpeg(seed=seed))
    run = LongRun(
        tmp_path / "stack",
        photos,
        minutes=0.5,
        churn_seconds=5,
        sample_seconds=1,
        processes=1,
        visibility_timeout=25,
        settings={
            "DAMAGE_BUNDLE": str(write_bundle(tmp_path / "bundle")),
            "DAMAGE_SOFT_TIME_LIMIT": "10",
            "DAMAGE_TIME_LIMIT": "15",
        },
    )
    run.run()
    assert run.problems == []
    assert dict(run.restarts) == dict.fromkeys(CHURN, 1)
    assert sum(run.verdicts.values()) == len(run.sent) >= 50
    assert {f"{name}: {MEMORY}" for name in PROGRAMS} < set(run.samples.figures)
    assert [life.figures[MEMORY][0] > 0 for life in run.samples.lives["Flower"]] == [True]
    together = run.samples.figures[f"{WORKER}: {MEMORY}"]
    assert max(together) > 0
    # Every page once is less than every process by itself.
    both = (run.samples.figures[f"{name}: {MEMORY}"] for name in (PARENT, OTHERS))
    assert all(all_pages < sum(each) for all_pages, *each in zip(together, *both, strict=True))
    assert max(run.samples.figures[CONNECTIONS]) >= 1
    assert max(run.samples.figures[FILES]) >= 1

    growth = run.samples.growth(warm_up_seconds=5)
    write_figures(run, growth, tmp_path / "out")
    found = json.loads((tmp_path / "out/soak.json").read_text())
    assert found["photos"] == len(run.sent)
    assert len(found["samples"]["seconds"]) == len(found["samples"][CONNECTIONS])
    (deliverer,) = found["lives"]["deliverer"]
    assert len(deliverer["figures"][DESCRIPTORS]) == len(found["samples"]["seconds"])
    assert f"| deliverer: {DESCRIPTORS} | " in (tmp_path / "out/soak.md").read_text()
    assert (tmp_path / "out/soak.png").read_bytes().startswith(b"\x89PNG")
    assert f"photos: {len(run.sent)}" in list(summary(run, growth))


def test_a_figure_that_grows_is_a_problem(tmp_path: Path) -> None:
    run = LongRun(tmp_path, tmp_path)
    line = Trend(level=100.0, per_hour=9.0, low=8.0, high=10.0)
    growth = {"Flower: memory, MB": Growth(line, 2.0, GROWS)}
    (problem,) = problems_of(run, growth)
    assert problem == "Flower: memory, MB grows by 9.00 an hour; 2.00 is accepted"
