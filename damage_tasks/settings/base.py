"""Base class and fields for the groups of settings."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "DAMAGE_"


class Group(BaseSettings):
    """A group of settings; each variable is `PREFIX` plus the upper-case field name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", defer_build=True
    )


def setting(default: Any, description: str, example: str, **limits: Any) -> Any:
    """A field with its description and example, for the documentation and error messages."""
    return Field(default, description=description, examples=[example], **limits)
