"""The measurements of `make bench`, one section per letter, all in one run on the same servers."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

from benchmarks.baselines import celery_body
from benchmarks.database_history import bytes_of, fill
from benchmarks.forward_pass import bare
from benchmarks.hanging_receiver import PAIRS_A_ROUND, measure_hanging_receiver
from benchmarks.inspection_search import ROWS as SEARCHED_ROWS
from benchmarks.inspection_search import measure_searches, missing_disk
from benchmarks.machine_facts import cores
from benchmarks.measured_engines import engine_settings, larger_bundle
from benchmarks.process_usage import megabytes
from benchmarks.stage_profile import WARM_UP_PHOTOS, measure_steps
from benchmarks.startup import first_verdict_seconds, import_seconds, megabytes_per_process
from benchmarks.testbed import Ground, Service, open_service
from benchmarks.throughput import Rate, measure
from damage_tasks.devstack import clean_environment
from damage_tasks.devstack.child_processes import Child

Say = Callable[[str], None]
DELAYS_MS = (30, 80, 150)  # a GET from S3 or CloudFront in the same region, and from afar
BACKLOG_MESSAGES = (100, 10_000)
TABLE_ROWS = 1_000_000


@dataclass
class Run:
    """Stores measurements in ``results``; ``say`` is called with what is being measured."""

    ground: Ground
    say: Say
    seconds: float = 8.0
    rounds: int = 3
    engines: tuple[str, ...] = ()
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def cores(self) -> int:
        """Number of cores that the run may use."""
        return cores()

    def photos(self, size: str, mix: str, delay: int = 0) -> Iterator[str]:
        """An endless sequence of photo addresses."""
        for seed in itertools.count():
            yield from self.ground.urls(size, mix, 100, delay=delay, seed=seed)

    def bare(self) -> None:
        """(a) The speed of each engine with nothing around it."""
        paths = self.ground.album.paths("2mp", "damaged")
        found = self.results["bare"] = {}
        with open_service(self.ground, "bare", workers=0) as service:
            for engine, setting in engine_settings(self.engines).items():
                self.say(f"bare forward, {engine}")
                environment = {**service.stack.environment, **setting}
                found[engine] = {
                    str(n): bare(environment, paths, n, self.seconds / 2) for n in {1, self.cores}
                }

    def measure_fp32(self) -> None:
        """The bare forward pass in fp32, to which other figures are relative; once in a run."""
        if "fp32_forward_ms" in self.results:
            return
        self.say("bare forward pass in fp32")
        paths = self.ground.album.paths("2mp", "damaged")
        with open_service(self.ground, "bare-fp32", workers=0) as service:
            engine = "openvino" if "openvino" in self.engines else "torch"
            environment = {**service.stack.environment, "DAMAGE_ENGINE": engine}
            found = bare(environment, paths, self.cores, self.seconds, fp32=True)
            self.results["fp32_forward_ms"] = found["cpu_ms"]

    def end_to_end(self) -> None:
        """(b) Photos through SQS, worker, S3 and PostgreSQL; a short queue and a long one."""
        self.measure_fp32()
        found = self.results["end_to_end"] = {}
        with open_service(self.ground, "end-to-end") as service:
            for size, mix in itertools.product(("2mp", "12mp"), ("realistic", "damaged")):
                self.say(f"end to end, {size}, {mix}")
                found[f"{size} {mix}"] = self._rate(service, size, mix).to_dict()
            self._pair(
                "backlog",
                {
                    str(number): partial(self._rate, service, backlog=number, patience=600)
                    for number in BACKLOG_MESSAGES
                },
            )

    def naive(self) -> None:
        """(c) The design of the original system, as a loop and in plain Celery."""
        found = self.results["naive"] = {}
        loop = [sys.executable, "-m", "benchmarks.baselines"]
        celery = [sys.executable, "-m", "celery", "-A", "benchmarks.baselines", "worker",
                  "--loglevel", "ERROR", "--concurrency"]  # fmt: skip
        for name, commands in {
            "loop, one process": [loop],
            "loop, one process per core": [loop] * self.cores,
            "plain Celery": [[*celery, str(self.cores)]],
        }.items():
            self.say(f"naive: {name}")
            with open_service(self.ground, f"naive-{len(found)}", workers=0) as service:
                if name == "plain Celery":
                    service.body = celery_body
                for number, command in enumerate(commands, 1):
                    child = Child(
                        f"naive worker {number}",
                        command,
                        log=service.stack.folder / f"naive-{number}.log",
                        environment={**clean_environment(), **service.stack.environment},
                    )
                    child.start()
                    service.stack.workers.append(child)
                found[name] = {
                    mix: self._rate(service, mix=mix, warm=4, seconds=self.seconds * 1.5).to_dict()
                    for mix in ("realistic", "damaged")
                }

    def efficiency(self) -> None:
        """(d) CPU of the forward pass and the JPEG relative to all CPU, and where the rest goes."""
        self.measure_fp32()
        found = self.results["efficiency"] = {}
        larger = {"DAMAGE_BUNDLE": str(larger_bundle(self.ground.folder / "larger"))}
        for size, extra in {"default bundle": {}, "larger input": larger}.items():
            for engine, setting in engine_settings(self.engines).items():
                name = f"{engine}, {size}"
                self.say(f"efficiency: {name}")
                settings = {**setting, **extra}
                folder = f"efficiency-{len(found)}"
                # As many processes as in the bare pass, because more would share its caches.
                with open_service(
                    self.ground, folder, settings=settings, processes=self.cores
                ) as service:
                    rate = self._rate(service, mix="damaged")
                    paths = self.ground.album.paths("2mp", "damaged")
                    limit = bare(service.stack.environment, paths, self.cores, self.seconds / 2)
                    found[name] = {
                        "worker_ms": rate.worker_ms,
                        "forward_ms": limit["cpu_ms"],
                        "jpeg_ms": limit["jpeg_ms"],
                        "share": (limit["cpu_ms"] + limit["jpeg_ms"]) / rate.worker_ms,
                        "photos_per_second": rate.per_second,
                        "bare_photos_per_second": limit["photos_per_second"],
                    }
        self._steps()

    def _steps(self) -> None:
        """CPU of every step, for each kind of photo, with the engine chosen by `auto`."""
        self.say("CPU by step")
        groups = {
            f"{size} {kind}": self.ground.urls(size, kind, WARM_UP_PHOTOS + number)
            for size in ("2mp", "12mp")
            for kind, number in (("damaged", 24), ("clean", 32))
        }
        with open_service(self.ground, "steps", workers=0) as service:
            self.results["steps"] = measure_steps(service.stack.environment, groups)

    def starts(self) -> None:
        """(e) Import, first verdict, memory."""
        self.say("import, first verdict")
        imported, ready = import_seconds()
        found: dict[str, Any] = {"import_seconds": imported, "ready_to_send_seconds": ready}
        self.results["starts"] = found
        times = first_verdict_seconds(self.ground, "cold-start")
        found["first_verdict_seconds"] = median(times)
        self.say("memory of each additional process")
        found["megabytes"] = megabytes_per_process(self.ground, "memory")

    def scale(self) -> None:
        """(f) One core and all of them; a database with few rows and with a million."""
        usable = sorted(os.sched_getaffinity(0))
        found = self.results["cores"] = {}
        for number in sorted({1, len(usable)}):
            self.say(f"{number} of {len(usable)} cores")
            with open_service(
                self.ground, f"cores-{number}", processes=number, cores=usable[:number]
            ) as service:
                found[str(number)] = self._rate(service).to_dict()
        self.say(f"filling a database with {TABLE_ROWS:,} rows")
        full = self.ground.new_database()
        fill(full, TABLE_ROWS)
        sizes = bytes_of(full).items()
        self.results["disk"] = {
            name: size / TABLE_ROWS for name, size in sizes if size > TABLE_ROWS
        }
        with (
            open_service(self.ground, "rows-few") as few,
            open_service(self.ground, "rows-many", database_url=full) as many,
        ):
            self._pair(
                "rows",
                {"10": partial(self._rate, few), str(TABLE_ROWS): partial(self._rate, many)},
            )

    def pools(self) -> None:
        """(g) Hiding the waits of download, upload and database by more processes or threads."""
        found = self.results["pools"] = {}
        for name, (pool, number) in {
            "one process per core": ("prefork", self.cores),
            "one process more than cores": ("prefork", self.cores + 1),
            "two processes per core": ("prefork", 2 * self.cores),
            "three processes per core": ("prefork", 3 * self.cores),
            "five processes per core": ("prefork", 5 * self.cores),
            "one thread per core": ("threads", self.cores),
            "two threads per core": ("threads", 2 * self.cores),
        }.items():
            with open_service(self.ground, f"pools-{len(found)}", workers=0) as service:
                child = Child(
                    name,
                    [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker", "--pool",
                     pool, "--concurrency", str(number), "--without-gossip", "--without-mingle"],
                    log=service.stack.folder / "pool.log",
                    environment={**clean_environment(), **service.stack.environment},
                )  # fmt: skip
                child.start()
                service.stack.workers.append(child)
                found[name] = {}
                for delay in (0, DELAYS_MS[-1]):
                    self.say(f"{name}, photos that take {delay} ms")
                    found[name][str(delay)] = self._rate(service, delay=delay).to_dict()
                found[name]["megabytes"] = megabytes(child.pid)

    def distances(self) -> None:
        """(j) Photos that take a while to arrive, with the default number of processes."""
        with open_service(self.ground, "distances") as service:
            for delay in DELAYS_MS:
                self._pair(
                    f"latency {delay} ms",
                    {f"{ms} ms": partial(self._rate, service, delay=ms) for ms in (0, delay)},
                )

    def search(self) -> None:
        """(h) One car among ten million slim rows."""
        if (reason := missing_disk(self.ground.folder)) is not None:
            self.say(reason)
            return
        self.results |= measure_searches(self.ground.new_database, SEARCHED_ROWS, self.say)

    def events(self) -> None:
        """(i) A receiver of events that hangs, and one that answers."""
        self.results["events"] = measure_hanging_receiver(
            self.ground,
            partial(self.photos, "2mp", "realistic"),
            PAIRS_A_ROUND * self.rounds,
            self.say,
        )

    def _rate(
        self, service: Service, size: str = "2mp", mix: str = "realistic", delay: int = 0,
        seconds: float | None = None, **options: Any,
    ) -> Rate:  # fmt: skip
        urls = self.photos(size, mix, delay)
        return measure(service, urls, seconds=seconds or self.seconds, **options)

    def _pair(self, name: str, variants: Mapping[str, Callable[[], Rate]]) -> None:
        """Measure two variants alternately; the ratio is second to first, median over rounds."""
        rates: dict[str, list[Rate]] = {variant: [] for variant in variants}
        for number in range(self.rounds):
            for variant, take in variants.items():
                self.say(f"{name} {variant}, {number + 1} of {self.rounds}")
                rates[variant].append(take())
        first, second = rates.values()
        self.results[name] = {
            "ratio": median(
                b.per_second / a.per_second for a, b in zip(first, second, strict=True)
            ),
            "cpu_ratio": median(
                a.worker_ms / b.worker_ms for a, b in zip(first, second, strict=True)
            ),
            **{variant: [rate.to_dict() for rate in taken] for variant, taken in rates.items()},
        }


SECTIONS: dict[str, Callable[[Run], None]] = {
    "a": Run.bare,
    "b": Run.end_to_end,
    "c": Run.naive,
    "d": Run.efficiency,
    "e": Run.starts,
    "f": Run.scale,
    "g": Run.pools,
    "h": Run.search,
    "i": Run.events,
    "j": Run.distances,
}
