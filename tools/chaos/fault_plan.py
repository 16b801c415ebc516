"""Plans what is sent and which faults occur when; the seed determines everything."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

# What is unavailable, fails or answers badly, and the range of its duration in seconds.
OUTAGES = {
    "sqs 500": (1, 4),
    "sqs 503": (1, 4),
    "sqs hang": (1, 3),
    "sqs reset": (1, 4),
    "sqs lost": (2, 4),
    "sqs expired": (1, 4),
    "s3 500": (1, 4),
    "s3 503": (1, 4),
    "s3 hang": (1, 3),
    "s3 reset": (1, 4),
    "s3 lost": (2, 4),
    "aws refused": (1, 4),
    "postgres paused": (1, 4),
    "postgres restarted": (0, 0),
    "postgres crashed": (0, 0),
    "postgres away": (1, 5),
}
KILLED = "killed"
# What is killed; mostly processes, as by the OOM killer.
PROCESS_KILLED, WORKER_KILLED, WORKER_TERMINATED = (
    "process killed", "worker killed", "worker terminated",
)  # fmt: skip
DEATHS = (
    PROCESS_KILLED, WORKER_KILLED, PROCESS_KILLED, WORKER_TERMINATED, PROCESS_KILLED,
)  # fmt: skip
DELIVERER_KILLED, DELIVERER_TERMINATED = "deliverer killed", "deliverer terminated"
DELIVERER_DEATHS = (DELIVERER_KILLED, DELIVERER_KILLED, DELIVERER_TERMINATED)
SHADOW_KILLED, SHADOW_TERMINATED = "shadow killed", "shadow terminated"
SHADOW_DEATHS = (SHADOW_KILLED, SHADOW_KILLED, SHADOW_TERMINATED)
POINTER_MOVED = "pointer moved"

OUTAGE_PAUSE_SECONDS = (0.5, 2.0)  # between two outages
DEATH_PAUSE_SECONDS = (3.0, 9.0)  # a worker takes some of them to start
MOVE_PAUSE_SECONDS = (4.0, 10.0)  # workers check the pointer every second or two
PHOTOS_OF_A_CASE = 5
PHOTOS_A_ROUND = 160  # a round causes every fault once
BURSTS_A_ROUND = 8

GOOD, SLOW, CRASH, HANG = "good", "slow", "crash", "hang"


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo: ``picture`` numbers its bytes, so that two photos can have the same.

    ``celery`` is true for a Python caller and false for plain JSON; ``copies`` is how
    often the same message is sent; ``on_web`` tells a web server from S3.  ``case`` is the number
    of its case, which announces ``case_photos`` different photos.
    """

    number: int
    picture: int
    kind: str = GOOD
    celery: bool = True
    copies: int = 1
    on_web: bool = True
    case: int | None = None
    case_photos: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that begins ``at`` seconds after the start.

    ``choice`` (0 to 1) selects the victim; ``share`` is the share of affected requests.
    """

    at: float
    what: str
    seconds: float = 0.0
    choice: float = 0.0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Bursts of photos and hostile inputs (by number), and the sequences of faults."""

    seed: int
    photos: tuple[Photo, ...]
    bursts: tuple[tuple[float, tuple[Photo, ...], tuple[int, ...]], ...]
    outages: tuple[Fault, ...]
    deaths: tuple[Fault, ...]
    deliverer_deaths: tuple[Fault, ...]
    shadow_deaths: tuple[Fault, ...]
    pointer_moves: tuple[Fault, ...]

    @property
    def seconds(self) -> float:
        """When the last fault is over."""
        return max(fault.at + fault.seconds for fault in (*self.outages, *self.deaths))


def make_plan(
    seed: int, photos: int, hostile: Sequence[int], *, hangs: int = 0, pace: float = 1.0
) -> Plan:
    """The plan for ``seed``: ``photos`` photos and the ``hostile`` inputs with these numbers.

    ``hangs`` of the photos hang forever; about one in a hundred crashes its process.
    Outages take ``pace`` times their usual duration.
    """
    chance = random.Random(seed)
    rounds = max(1, round(photos / PHOTOS_A_ROUND))
    outages = tuple(_outages(chance, rounds, pace))
    end = outages[-1].at + outages[-1].seconds
    album = tuple(_with_cases(list(_album(chance, photos, hangs))))
    inputs = chance.sample(hostile, len(hostile))
    bursts = BURSTS_A_ROUND * rounds
    starts = sorted(chance.uniform(0, end * 0.9) for _ in range(bursts - 1))
    return Plan(
        seed=seed,
        photos=album,
        bursts=tuple(
            (at, album[n::bursts], tuple(inputs[n::bursts])) for n, at in enumerate([0.0, *starts])
        ),
        outages=outages,
        deaths=tuple(_deaths(chance, end, DEATHS)),
        # Of their own generators, so that a seed has the same faults without them.
        deliverer_deaths=tuple(_deaths(random.Random(f"deliverer {seed}"), end, DELIVERER_DEATHS)),
        shadow_deaths=tuple(_deaths(random.Random(f"shadow {seed}"), end, SHADOW_DEATHS)),
        pointer_moves=tuple(_moves(random.Random(f"pointer {seed}"), end)),
    )


def _outages(chance: random.Random, rounds: int, pace: float) -> Iterator[Fault]:
    at = chance.uniform(2, 4)
    for _ in range(rounds):
        for what in chance.sample(list(OUTAGES), len(OUTAGES)):
            seconds = pace * chance.uniform(*OUTAGES[what])
            yield Fault(at, what, seconds, chance.random(), chance.choice((0.5, 1.0, 1.0)))
            at += seconds + pace * chance.uniform(*OUTAGE_PAUSE_SECONDS)


def _deaths(chance: random.Random, end: float, deaths: Sequence[str]) -> Iterator[Fault]:
    at = chance.uniform(1, 4)
    while True:
        for what in chance.sample(deaths, len(deaths)):
            if at > end:
                return
            yield Fault(at, what, choice=chance.random())
            at += chance.uniform(*DEATH_PAUSE_SECONDS)


def _moves(chance: random.Random, end: float) -> Iterator[Fault]:
    at = chance.uniform(*MOVE_PAUSE_SECONDS)
    while at < end:
        yield Fault(at, POINTER_MOVED, choice=chance.random())
        at += chance.uniform(*MOVE_PAUSE_SECONDS)


def _with_cases(album: list[Photo]) -> Iterator[Photo]:
    """The photos, those that can be examined in cases of up to `PHOTOS_OF_A_CASE`."""
    for start in range(0, len(album), PHOTOS_OF_A_CASE):
        block = album[start : start + PHOTOS_OF_A_CASE]
        pictures = {photo.picture for photo in block if photo.kind in (GOOD, SLOW)}
        for photo in block:
            if photo.kind in (GOOD, SLOW):
                yield replace(photo, case=start // PHOTOS_OF_A_CASE, case_photos=len(pictures))
            else:
                yield photo


def _album(chance: random.Random, photos: int, hangs: int) -> Iterator[Photo]:
    crashes = max(1, photos // 100)
    kinds = [CRASH] * crashes + [HANG] * hangs + [SLOW] * (photos // 10)
    kinds += [GOOD] * (photos - len(kinds))
    chance.shuffle(kinds)
    for number, kind in enumerate(kinds):
        good = kind in (GOOD, SLOW)
        again = good and number and chance.random() < 0.1
        celery = chance.random() < 0.5
        yield Photo(
            number=number,
            picture=chance.randrange(number) if again else number,
            kind=kind,
            celery=celery,
            # Plain JSON sent twice is two messages, and therefore two inspections.
            copies=2 if celery and good and chance.random() < 0.2 else 1,
            on_web=not good or kind == SLOW or chance.random() < 0.5,
        )
