"""The benchmarks' own arithmetic, and one small real run."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from benchmarks.benchmark_photos import Album
from benchmarks.hanging_receiver import UNCOUNTED_PHOTOS, measure_hanging_receiver
from benchmarks.photo_server import numbered
from benchmarks.process_usage import cpu_seconds, megabytes
from benchmarks.stage_profile import WARM_UP_PHOTOS, Clock, measure_steps
from benchmarks.testbed import open_ground, open_service
from benchmarks.throughput import measure
from damage_tasks.samples.car_photo import draw_sample
from tools.sample_pictures_and_results import jpeg


@pytest.fixture
def album(tmp_path: Path) -> Album:
    """Two damaged and three clean photos, by their names."""
    (tmp_path / "2mp").mkdir()
    for number, kind in enumerate(["damaged"] * 2 + ["clean"] * 3):
        path = tmp_path / "2mp" / f"{kind}-{number}.jpg"
        path.write_bytes(jpeg(320, 240, seed=number))
    return Album(tmp_path)


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_one_photo_in_ten_is_damaged_and_each_comes_in_turn(album: Album) -> None:
    names = [path.stem for path in album.sequence("2mp", "realistic", 60)]
    for start in range(0, 60, 10):
        assert sum(name.startswith("damaged") for name in names[start : start + 10]) == 1
    assert {names.count(f"clean-{n}") for n in (2, 3, 4)} == {18}
    assert all(p.stem.startswith("damaged") for p in album.sequence("2mp", "damaged", 7))


def test_a_numbered_photo_is_another_file_with_the_same_pixels() -> None:
    photo = jpeg(64, 48)
    first, second = numbered(photo, "1"), numbered(photo, "2")
    assert len({photo, first, second}) == 3
    pixels = [cv2.imdecode(np.frombuffer(data, np.uint8), 1) for data in (photo, first)]
    assert np.array_equal(*pixels)


def test_time_inside_an_inner_step_is_not_counted_twice() -> None:
    clock = Clock()
    with clock.step("outer"):
        spin(0.05)
        with clock.step("inner"):
            spin(0.10)
    assert clock.seconds["inner"] == pytest.approx(0.10, abs=0.03)
    assert clock.seconds["outer"] == pytest.approx(0.05, abs=0.03)


def test_the_usage_of_a_process_tree_is_that_of_its_parts() -> None:
    me = psutil.Process()
    before = cpu_seconds(me.pid)
    spin(0.2)
    assert cpu_seconds(me.pid) - before >= 0.15
    assert megabytes(me.pid) > 10


@pytest.mark.server
@pytest.mark.xdist_group("stack")
def test_photos_go_through_a_real_service_and_are_counted(album: Album) -> None:
    with open_ground(album) as ground, open_service(ground, "smoke", processes=1) as service:
        urls = (url for n in itertools.count() for url in ground.urls("2mp", "realistic", 10))
        rate = measure(service, urls, seconds=0.5, warm=2, backlog=20)
        assert rate.photos >= 8
        assert rate.per_second == rate.photos / rate.seconds
        assert rate.cpu_ms["worker"] > 0
        assert set(rate.verdicts) <= {"clean", "damaged"}
        assert service.waits() == (0, 0)


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.xdist_group("stack")
def test_the_profile_of_a_photo_has_cpu_time_for_every_step(tmp_path: Path) -> None:
    (tmp_path / "2mp").mkdir()
    sample = draw_sample(4101, size=(800, 600), damages=("dent", "scratch"))
    assert cv2.imwrite(str(tmp_path / "2mp" / "damaged-0.jpg"), sample.photo)
    (tmp_path / "2mp" / "clean-0.jpg").write_bytes(jpeg(320, 240))
    photos = WARM_UP_PHOTOS + 2
    with open_ground(Album(tmp_path)) as ground, open_service(ground, "steps", workers=0) as stack:
        groups = {kind: ground.urls("2mp", kind, photos) for kind in ("damaged", "clean")}
        found = measure_steps(stack.stack.environment, groups)
    spent = found["damaged"]["cpu_ms"]
    assert spent.keys() == {
        "forward", "inputs and scores", "download", "decode photo", "masks and damages", "overlay",
        "overlay JPEG", "mask PNG", "upload", "database", "the rest",
    }  # fmt: skip
    assert min(spent.values()) > 0
    assert "mask PNG" not in found["clean"]["cpu_ms"]
    assert found["damaged"]["photos"] == found["clean"]["photos"] == 2


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.xdist_group("stack")
def test_photos_are_examined_whether_the_receiver_of_their_events_answers_or_hangs(
    album: Album,
) -> None:
    said: list[str] = []
    with open_ground(album) as ground:
        found = measure_hanging_receiver(
            ground,
            lambda: iter(ground.urls("2mp", "realistic", 100)),
            pairs=2,
            say=said.append,
            count=2 * UNCOUNTED_PHOTOS + 10,
        )
    assert [line.split(",")[0].split()[-1] for line in said] == [
        "answers",
        "hangs",
        "hangs",
        "answers",
    ]
    assert len(found["ratios"]) == len(found["answering"]) == len(found["hanging"]) == 2
    assert min(found["ratios"]) > 0.1
