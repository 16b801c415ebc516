"""Child processes with a log file, a readiness check, and guaranteed cleanup."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from damage_tasks.errors import StackError

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux only


class Child:
    """A program that runs in the background and writes its output to ``log``."""

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        log: Path,
        environment: dict[str, str],
        show: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._show = show
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it in its own session, so that Ctrl-C reaches only this process."""
        self.log.write_bytes(b"")
        self.start_again()

    def start_again(self) -> None:
        """Restart it after it has ended; appends to the log."""
        end = self.log.stat().st_size
        with self.log.open("ab") as log, _delayed_interrupt() as interrupted:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        if interrupted:
            self.kill()
            raise KeyboardInterrupt
        if self._show:
            threading.Thread(
                target=self._follow, args=(end,), name=f"{self.name} log", daemon=True
            ).start()

    def wait_for(self, text: str, timeout: float) -> None:
        """Wait until ``text`` appears in the log; raises `StackError` if it does not."""
        end = time.monotonic() + timeout
        while text not in self.log.read_text(errors="replace"):
            self.check()
            if time.monotonic() > end:
                raise StackError(f"{self.name} is not ready after {timeout:.0f} s; see {self.log}")
            time.sleep(0.05)

    def check(self) -> None:
        """Raise `StackError` if it has exited."""
        if self.returncode is not None:
            raise StackError(f"{self.name} ended: {self._last_line()} (see {self.log})")

    @property
    def returncode(self) -> int | None:
        """Its exit status, or None while it is running."""
        return self._process.poll() if self._process else None

    def terminate(self) -> None:
        """Send SIGTERM; a worker finishes its photos first."""
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def wait(self, timeout: float) -> int:
        """Wait until it exits; after ``timeout`` seconds, kill it and its children."""
        assert self._process is not None
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill it and its children at once (SIGKILL)."""
        assert self._process is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def _follow(self, start: int) -> None:
        with self.log.open(errors="replace") as log:
            log.seek(start)
            while self.returncode is None:
                for line in log:
                    sys.stderr.write(line)
                time.sleep(0.1)


@contextmanager
def _delayed_interrupt() -> Iterator[list[int]]:
    """Adds to the list that it yields if Ctrl-C is pressed, instead of raising at once.

    Popen with `preexec_fn` calls the hooks of `os.register_at_fork`, in which Python ignores
    exceptions: a Ctrl-C there would be lost.
    """
    interrupted: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, handler)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def clean_environment() -> dict[str, str]:
    """This process's environment without our settings and those of AWS."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DAMAGE_", "AWS_"))
    }
