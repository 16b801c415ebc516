"""Databases as earlier versions left them."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def create_schema(url: str, revision: str) -> None:
    """Create the tables of ``revision``, such as ``0004``, in the database at ``url``."""
    config = _config()
    config.attributes["url"] = url
    command.upgrade(config, revision)


def all_revisions() -> list[str]:
    """Every revision of the schema, the oldest first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return [script.revision for script in scripts][::-1]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "damage_tasks:migrations")
    return config
