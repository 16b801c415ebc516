"""Shared fixtures: real servers, started once per test process, and a clean environment."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tools import example_clients
from tools.loopback_web_server import Site
from tools.postgres import Postgres

TESTS = Path(__file__).parent

# The tests' settings must not depend on the user who runs them.
for _name in [name for name in os.environ if name.startswith(("DAMAGE_", "AWS_", "OTEL_"))]:
    if _name != "AWS_CA_BUNDLE":
        del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
# A task sent without the stack's settings fails loudly.
os.environ["DAMAGE_QUEUE_URL"] = "http://127.0.0.1:9/000000000000/you-forgot-the-stack"


# Fixtures that start servers, workers or a browser; and folders whose tests all do, or run helm.
SERVERS = frozenset({
    "account", "bus", "chromium", "emulator", "faulty_emulator", "page", "playing",
    "postgres_server", "receiver", "running_stack", "running_traced", "running_watched", "stage",
})  # fmt: skip
SERVER_FOLDERS = ("chaos", "containers", "helm", "integration")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Any:
    """Collect without searching for garbage: modules and tests stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import tests that `-m` deselects by their folder."""
    is_server_folder = collection_path.parent == TESTS and collection_path.name in SERVER_FOLDERS
    return True if is_server_folder and "not server" in config.option.markexpr else None


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a server."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        fixtures = getattr(item, "fixturenames", ())
        if folder in SERVER_FOLDERS or not SERVERS.isdisjoint(fixtures):
            item.add_marker("server")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Let no test start a server that is not marked as one that needs it."""
    from damage_tasks.devstack.child_processes import Child

    with pytest.MonkeyPatch.context() as monkeypatch:
        if item.get_closest_marker("server") is None:
            for program in (Child, Postgres):
                monkeypatch.setattr(program, "start", _refuse_to_start)
        return (yield)


def _refuse_to_start(program: Any) -> None:
    pytest.fail(f"starts a {type(program).__name__}: mark this test with pytest.mark.server")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """With ``-n auto`` more workers than cores, because the longest tests mostly wait."""
    cores = os.cpu_count() or 1
    return cores if config.option.numprocesses == "logical" else max(5, cores)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Any:
    """With a failure, show the logs of the stack's workers."""
    report = yield
    if report.failed:
        fixtures = getattr(item, "funcargs", {})
        for stack in (fixtures.get("stack"), fixtures.get("watched")):
            for worker in getattr(stack, "workers", ()):
                tail = worker.log.read_text(errors="replace")[-4000:]
                report.sections.append((f"the log of {worker.name}", tail))
    return report


@pytest.fixture(autouse=True)
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings and clients are created again in each test."""
    from damage_tasks import inspection_lookup, settings
    from damage_tasks.results import celery_backend
    from damage_tasks.sqs import queues
    from damage_tasks.storage import s3

    caches = [
        settings.get_settings,
        s3.s3_client,
        queues.sqs_client,
        queues.sending_client,
        celery_backend.open_inspections,
        inspection_lookup._picture_links,  # noqa: SLF001  # there is no other way to forget them
    ]
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real SQS and S3 endpoint over HTTP."""
    from damage_tasks.devstack.aws_emulator import Emulator

    emulator = Emulator(tmp_path_factory.mktemp("emulator") / "emulator.log")
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture
def aws(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The emulator, with this process's AWS variables pointing to it."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    return emulator


@pytest.fixture
def bucket(aws: Any) -> str:
    """An empty bucket."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    aws.create_bucket(name)
    return name


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL from a wheel; its SQLAlchemy URL without a database name."""
    server = Postgres().start()
    yield server.url
    server.stop()


@contextmanager
def new_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a separate database, which is dropped afterwards."""
    import sqlalchemy as sa

    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new, empty PostgreSQL database."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with our tables, used as a template."""
    from damage_tasks.results.schema_upgrade import migrate

    with new_database(postgres_server) as url:
        migrate(url)
        yield url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def migrated_postgres_url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """A new PostgreSQL database with our tables."""
    with new_database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A new, empty SQLite database."""
    return f"sqlite:///{tmp_path}/damage.db"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with our tables, to be copied."""
    from damage_tasks.results.schema_upgrade import migrate

    file = tmp_path_factory.mktemp("migrated") / "damage.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def migrated_sqlite_url(sqlite_url: str, migrated_file: Path) -> str:
    """A new SQLite database with our tables."""
    shutil.copy(migrated_file, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


@pytest.fixture(params=[pytest.param("postgresql", marks=pytest.mark.server), "sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of either kind."""
    kind = "postgres" if request.param == "postgresql" else "sqlite"
    return str(request.getfixturevalue(f"migrated_{kind}_url"))


@pytest.fixture
def logs_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends with the test what commands configure: logs to a stream that ends with them."""
    monkeypatch.setattr(logging.root, "handlers", [])


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system with room for 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    as_root = ["sudo", "--non-interactive"] if os.geteuid() else []
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"only root can mount a file system: {done.stderr.strip()}")
    yield folder
    subprocess.run([*as_root, "umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def full_disk(tiny_disk: Path) -> Path:
    """A file system without a single free byte."""
    with suppress(OSError), (tiny_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return tiny_disk


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server on a loopback port."""
    site = Site()
    yield site
    site.close()


@pytest.fixture
def site_as_aws(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The web server ``site``, to which boto3 sends its requests."""
    for name, value in {
        "AWS_ENDPOINT_URL": site.url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return site


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of the examples for Node."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    try:
        return example_clients.node_modules()
    except example_clients.RegistryUnreachable as error:
        pytest.skip(str(error))


@pytest.fixture
def chromium() -> Iterator[Any]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "chromium is missing: run tests/install.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--no-first-run"],
        )  # fmt: skip
        yield browser
        browser.close()
