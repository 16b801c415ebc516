"""A separate PgBouncer (Debian's package) in front of a PostgreSQL server, for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from damage_tasks.devstack.loopback_ports import free_port

INI = """
[databases]
* = host={host} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
# Sent by PostgreSQL's JDBC driver.
ignore_startup_parameters = extra_float_digits
default_pool_size = {pool_size}
"""


class PgBouncer:
    """Pools transactions from `start` to `stop`; ``pool_size`` is per database."""

    def __init__(self, server_url: str, pool_size: int = 1) -> None:
        self._server = sa.make_url(server_url)
        self._pool_size = pool_size
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()
        self.port = 0

    def start(self) -> PgBouncer:
        """Start it and wait until it accepts connections."""
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="damage-pgbouncer-"))
        self._folder.chmod(0o755)
        ini = self._folder / "pgbouncer.ini"
        host = self._server.query["host"]
        ini.write_text(
            INI.format(
                host=host, user=self._server.username, port=self.port, pool_size=self._pool_size
            )
        )
        # It refuses to run as root, and only the owner can use the server's socket.
        user = ["-u", Path(str(host)).owner()] if os.getuid() == 0 else []
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["pgbouncer", *user, str(ini)], stdout=subprocess.DEVNULL, stderr=log
            )
        end = time.monotonic() + 10
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError((self._folder / "log").read_text())

    def url(self, database_url: str) -> str:
        """The URL that reaches the database of ``database_url`` through this PgBouncer."""
        pooled = sa.make_url(database_url).set(host="127.0.0.1", port=self.port, query={})
        return pooled.render_as_string(hide_password=False)

    def stop(self) -> None:
        """Stop it and remove its files."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)
