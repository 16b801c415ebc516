"""prometheus_client values in memory shared by a worker's processes, without files.

prometheus_client's own multi-process mode maps files, and the kernel ends a process that
writes to a mapped file on a full disk.
"""

from __future__ import annotations

import json
import logging
import mmap
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

logger = logging.getLogger(__name__)

SLOT_BYTES = 512 * 1024  # about 3,000 values; a worker has about 400

_USED = struct.Struct("<q")  # bytes in use, at the beginning of each slot
_KEY_LENGTH = struct.Struct("<i")
_NUMBERS = struct.Struct("<dd")  # value, time at which it was set

Key = str  # a JSON list: type, metric, sample, labels, help
# Values by suffix, by type, metric and help, by labels as JSON.
Sums = dict[str, dict[tuple[str, str, str], dict[str, float]]]


class _WithoutExemplars:
    def set_exemplar(self, exemplar: Any) -> None:
        """Exemplars are not stored."""

    def get_exemplar(self) -> None:
        return None


class SharedMetrics(Collector):
    """Memory for ``slots`` processes, made before the fork, and the sums over all of them.

    A process writes to its own slot only; the next process in that slot continues its counts.
    Each slot is a list of entries: length of the key, key, value, time.
    """

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * SLOT_BYTES)  # pages exist once they are written to
        self._slots = slots
        self._slot: int | None = 0
        self._entries: dict[Key, int] = {}
        self._values: list[Any] = []
        self._lock = Lock()
        self._is_full = False

    def enter(self, slot: int) -> None:
        """In a new process: count in ``slot`` from now on, or nowhere if it does not exist."""
        self._slot = slot if slot < self._slots else None
        if self._slot is None:
            logger.warning("figures of this process are lost: all %d slots are in use", self._slots)
        self._lock = Lock()
        self._entries = {}
        if self._slot is not None:
            self._entries = dict(self._read(self._slot))
        for value in self._values:
            value.locate()

    def value_class(self) -> type[Any]:
        """The value of ``prometheus_client.values.ValueClass`` that stores values here."""
        shared = self

        class SharedValue(_WithoutExemplars):
            _multiprocess = True

            def __init__(
                self, typ: str, metric_name: str, name: str, labelnames: Any, labelvalues: Any,
                help_text: str, **_: Any,
            ) -> None:  # fmt: skip
                labels = dict(zip(labelnames, labelvalues, strict=True))
                self._key = json.dumps([typ, metric_name, name, labels, help_text], sort_keys=True)
                with shared._lock:
                    shared._values.append(self)
                    self.locate()

            def locate(self) -> None:
                self._at = shared._find(self._key)

            def inc(self, amount: float) -> None:
                with shared._lock:
                    if self._at is not None:
                        shared._write(self._at, shared._value_at(self._at)[0] + amount, 0.0)

            def set(self, value: float, timestamp: float | None = None) -> None:
                with shared._lock:
                    if self._at is not None:
                        shared._write(self._at, value, timestamp or 0.0)

            def get(self) -> float:
                return 0.0 if self._at is None else shared._value_at(self._at)[0]

        return SharedValue

    def describe(self) -> Iterator[Any]:
        """Nothing: the set of metrics depends on the photos."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        """Counters and histograms summed over the slots; for gauges, the value set last."""
        families: dict[str, Any] = {}
        for labels_text, metrics in self._sums().items():
            labels = json.loads(labels_text)
            for (typ, metric, text), values in metrics.items():
                if values:
                    family = families.get(metric)
                    if family is None:
                        family = families[metric] = _FAMILIES[typ](metric, text, labels=[*labels])
                    _ADD[typ](family, [*labels.values()], values)
        yield from families.values()

    def _sums(self) -> Sums:
        sums: Sums = defaultdict(dict)
        newest: dict[Key, float] = {}
        for slot in range(self._slots):
            for key, at in self._read(slot):
                typ, metric, sample, labels, text = json.loads(key)
                value, timestamp = self._value_at(at)
                le = labels.pop("le", None)
                kept = sums[json.dumps(labels)].setdefault((typ, metric, text), {})
                suffix = le if le is not None else sample.removeprefix(metric)
                if typ != "gauge":
                    kept[suffix] = kept.get(suffix, 0.0) + value
                elif timestamp > newest.get(key, 0.0):
                    newest[key] = timestamp
                    kept[suffix] = value
        return sums

    def _find(self, key: Key) -> int | None:
        """The offset of the numbers of ``key`` in this process's slot; None if there is no room."""
        if self._slot is None:
            return None
        if key in self._entries:
            return self._entries[key]
        start = self._slot * SLOT_BYTES
        used = self._used(start)
        name = key.encode()
        entry = _KEY_LENGTH.pack(len(name)) + name + _NUMBERS.pack(0.0, 0.0)
        if used + len(entry) > SLOT_BYTES:
            if not self._is_full:
                logger.warning("a process has more metrics than there is room for; some are lost")
            self._is_full = True
            return None
        self._memory[start + used : start + used + len(entry)] = entry
        # Written last, so that readers and the next process in this slot never see half an entry.
        self._memory[start : start + _USED.size] = _USED.pack(used + len(entry))
        self._entries[key] = at = start + used + len(entry) - _NUMBERS.size
        return at

    def _used(self, start: int) -> int:
        return int(_USED.unpack_from(self._memory, start)[0]) or _USED.size

    def _read(self, slot: int) -> Iterator[tuple[Key, int]]:
        start = slot * SLOT_BYTES
        at, end = start + _USED.size, start + self._used(start)
        while at < end:
            length = _KEY_LENGTH.unpack_from(self._memory, at)[0]
            at += _KEY_LENGTH.size
            yield self._memory[at : at + length].decode(), at + length
            at += length + _NUMBERS.size

    def _value_at(self, at: int) -> tuple[float, float]:
        value, timestamp = _NUMBERS.unpack_from(self._memory, at)
        return value, timestamp

    def _write(self, at: int, value: float, timestamp: float) -> None:
        self._memory[at : at + _NUMBERS.size] = _NUMBERS.pack(value, timestamp)


def _add_counter(family: Any, labels: list[str], values: dict[str, float]) -> None:
    family.add_metric(labels, values["_total"])


def _add_gauge(family: Any, labels: list[str], values: dict[str, float]) -> None:
    family.add_metric(labels, values[""])


def _add_histogram(family: Any, labels: list[str], values: dict[str, float]) -> None:
    total = values.pop("_sum", 0.0)
    buckets, count = [], 0.0
    for limit in sorted(values, key=float):
        count += values[limit]
        buckets.append((floatToGoString(limit), count))
    family.add_metric(labels, buckets, total)


_FAMILIES: dict[str, type[Any]] = {
    "counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily,
}  # fmt: skip
_ADD: dict[str, Callable[[Any, list[str], dict[str, float]], None]] = {
    "counter": _add_counter, "gauge": _add_gauge, "histogram": _add_histogram,
}  # fmt: skip
