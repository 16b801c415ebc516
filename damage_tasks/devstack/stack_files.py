"""The files of one stack; several stacks can run in one folder, each with its own files."""

from __future__ import annotations

import fcntl
import os
import shlex
import sys
from pathlib import Path
from typing import IO

from damage_tasks.devstack.loopback_ports import Ports
from damage_tasks.errors import StackError


class StackFiles:
    """The files of one stack in ``folder``, an absolute path.

    The first stack that runs in the folder uses ``stack.env``, ``logs`` and so on; a second one
    ``stack-2.env`` and ``logs-2``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._suffix = ""
        self._lock: IO[str] | None = None

    @property
    def env_file(self) -> Path:
        """The file of variables that point a shell to the stack."""
        return self._folder / f"stack{self._suffix}.env"

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self._folder / f"logs{self._suffix}"

    @property
    def database(self) -> Path:
        """The SQLite database."""
        return self._folder / f"damage{self._suffix}.db"

    @property
    def flower_history(self) -> Path:
        """Flower's own database."""
        return self._folder / f"flower{self._suffix}"

    def port(self, name: str) -> int:
        """The port for ``name``: that of the last stack with these files, if it is free."""
        return Ports(self._folder / f"stack{self._suffix}.ports").port(name)

    def claim(self) -> None:
        """Lock the first files that no running stack uses, and create the folders.

        Raises `StackError` if too many stacks are running in the folder.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock_free_files()
        self.logs.mkdir(exist_ok=True)

    def release(self) -> None:
        """Let another stack use the files; calling it again is safe."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write_env_file(self, variables: dict[str, str]) -> None:
        """Write the variables to the env file, which appears only when it is complete.

        Only this user may read it.
        """
        lines = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        # So that `damage-tasks` and `python` come from this installation.
        commands = str(Path(sys.executable).parent)
        if commands not in os.get_exec_path():
            lines.append(f'PATH={shlex.quote(commands)}:"$PATH"')
        unfinished = self.env_file.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)  # the settings contain secrets
        unfinished.write_text("\n".join(lines) + "\n")
        unfinished.rename(self.env_file)

    def remove_env_file(self) -> None:
        """Remove the env file if the files are claimed; calling it again is safe."""
        if self._lock is not None:  # otherwise the file belongs to another stack
            self.env_file.unlink(missing_ok=True)

    def _lock_free_files(self) -> IO[str]:
        for number in range(1, 100):
            self._suffix = "" if number == 1 else f"-{number}"
            lock = (self._folder / f"stack{self._suffix}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return lock
        raise StackError(f"a hundred stacks are running in {self._folder}")
