"""Importing the package changes nothing in somebody else's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MY_APPLICATION = """
from celery import Celery, shared_task
app = Celery("myapp", broker="memory://", backend="cache+memory://")

@shared_task
def send_invoice(n):
    return n
"""


def run(program: str, folder: Path, **environment: str) -> str:
    own = {k: v for k, v in os.environ.items() if not k.startswith("DAMAGE_")}
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**own, "PYTHONPATH": f"{folder}{os.pathsep}{root}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "imports",
    ["import myapp, damage_tasks", "import damage_tasks, myapp", "import myapp"],
    ids=["ours second", "ours first", "ours inside a task"],
)
def test_the_callers_application_stays_the_current_one(imports: str, tmp_path: Path) -> None:
    (tmp_path / "myapp.py").write_text(MY_APPLICATION)
    program = (
        f"{imports}\n"
        "from damage_tasks import detect_damage\n"
        "detect_damage.name\n"
        "from celery import current_app\n"
        "assert current_app.main == 'myapp', current_app.main\n"
        "assert myapp.send_invoice.app.main == 'myapp'\n"
        "assert myapp.send_invoice.delay(1).id\n"
        "ours = {name for name in current_app.tasks if not name.startswith('celery.')}\n"
        "assert ours == {'myapp.send_invoice'}, ours\n"
    )
    run(program, tmp_path, DAMAGE_QUEUE_URL="http://127.0.0.1:9/000000000000/damage")


def test_a_module_of_the_caller_is_not_taken_for_our_configuration(tmp_path: Path) -> None:
    (tmp_path / "worker_config.py").write_text(
        'broker_url = "redis://redis.internal:6379/0"\ntask_default_queue = "mail"\n'
    )
    program = (
        "from damage_tasks import app\n"
        "assert app.conf.broker_url == 'sqs://', app.conf.broker_url\n"
        "assert app.conf.task_default_queue == 'damage'\n"
        "import worker_config\n"
        "assert worker_config.task_default_queue == 'mail'\n"
    )
    run(program, tmp_path, DAMAGE_QUEUE_URL="http://127.0.0.1:9/000000000000/damage")


def test_importing_leaves_logging_hooks_and_serialisers_alone(tmp_path: Path) -> None:
    program = (
        "import logging, sys, threading\n"
        "from kombu.serialization import registry\n"
        "before = (sys.excepthook, threading.excepthook, list(logging.getLogger().handlers),\n"
        "          logging.getLogger().level, set(registry._encoders))\n"
        "sys.argv[0] = '/usr/bin/celery'\n"
        "sys.argv[1:] = ['-A', 'myapp', 'worker']\n"
        "from damage_tasks import detect_damage\n"
        "detect_damage.name\n"
        "after = (sys.excepthook, threading.excepthook, list(logging.getLogger().handlers),\n"
        "         logging.getLogger().level, set(registry._encoders))\n"
        "assert before == after\n"
    )
    run(program, tmp_path)


def test_a_program_that_embeds_python_without_arguments_can_import_us(tmp_path: Path) -> None:
    run("import sys\nsys.argv = []\nimport damage_tasks\n", tmp_path)


def test_delay_can_be_patched_in_a_test_that_has_no_settings(tmp_path: Path) -> None:
    program = (
        "from unittest import mock\n"
        "import damage_tasks\n"
        "with mock.patch('damage_tasks.detect_damage.delay') as delay:\n"
        "    damage_tasks.detect_damage.delay('https://x/y.jpg')\n"
        "delay.assert_called_once_with('https://x/y.jpg')\n"
    )
    run(program, tmp_path)


def test_a_service_link_of_kubernetes_does_not_keep_a_photo_from_being_sent(
    tmp_path: Path,
) -> None:
    program = "from damage_tasks import app\nassert app.conf.task_default_queue == 'damage'\n"
    run(
        program,
        tmp_path,
        DAMAGE_QUEUE_URL="http://127.0.0.1:9/000000000000/damage",
        DAMAGE_API_SERVICE_HOST="10.0.0.7",
        DAMAGE_TASKS_FLOWER_PORT="tcp://10.0.0.8:5555",
    )


def test_reading_a_verdict_without_a_database_url_says_so_and_makes_no_file(
    tmp_path: Path,
) -> None:
    program = (
        "from damage_tasks import detect_damage, get_inspection\n"
        "from damage_tasks.errors import SettingsError\n"
        "for read in (get_inspection, lambda id: detect_damage.AsyncResult(id).get(timeout=1)):\n"
        "    try:\n"
        "        read('1')\n"
        "    except SettingsError as error:\n"
        "        assert 'DAMAGE_DATABASE_URL: is not set' in str(error), error\n"
        "    else:\n"
        "        raise AssertionError\n"
    )
    run(program, tmp_path, DAMAGE_QUEUE_URL="http://127.0.0.1:9/000000000000/damage")
    assert not list(tmp_path.iterdir())


OTHER_WORKER = """
import os
{imports}
from celery import Celery
from celery.signals import task_prerun

app = Celery("other", broker="filesystem://", backend="file://" + os.environ["FOLDER"])
app.conf.update(
    broker_transport_options={{
        name: os.environ["FOLDER"] for name in ("data_folder_in", "data_folder_out")
    }},
    worker_pool="{pool}", worker_concurrency=1, broker_connection_retry_on_startup=True,
)

@app.task
def add(x, y):
    # A photo that is examined here is none of this worker's tasks.
    from damage_tasks import detect_damage
    detect_damage.apply(("https://photos.example/car.jpg",))
    import signal
    handler = signal.getsignal(signal.SIGTERM)
    return [x + y, handler is signal.SIG_DFL, os.environ.get("OMP_NUM_THREADS")]
{late_imports}
"""


@pytest.mark.server
@pytest.mark.parametrize("pool", ["prefork", "solo"])
@pytest.mark.parametrize("order", ["first", "last"])
def test_the_worker_of_another_application_runs_as_if_we_were_not_there(
    order: str, pool: str, tmp_path: Path
) -> None:
    imports = "import damage_tasks, damage_tasks.tasks; damage_tasks.detect_damage.name"
    (tmp_path / "other.py").write_text(
        OTHER_WORKER.format(
            imports=imports if order == "first" else "",
            late_imports=imports if order == "last" else "",
            pool=pool,
        )
    )
    own = {k: v for k, v in os.environ.items() if not k.startswith(("DAMAGE_", "OMP_"))}
    environment = {
        **own,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parent.parent}",
        "FOLDER": str(tmp_path),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "other", "worker", "--loglevel", "info"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        answer = run(
            "import other; print(other.add.delay(1, 2).get(timeout=60))", tmp_path, **environment
        )
    finally:
        worker.terminate()
        log, _ = worker.communicate(timeout=60)
    assert answer == "[3, False, None]\n", log
    assert worker.returncode == 0, log
    # Celery's own banner and format.
    assert ".> transport:   filesystem://" in log
    assert "ready." in log
    assert "Warm shutdown (MainProcess)" in log
    assert '{"time"' not in log
