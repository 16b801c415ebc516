"""What all groups of settings are made of."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "DAMAGE_"


class Group(BaseSettings):
    """Settings that belong together; every variable is `PREFIX` plus the field's name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", defer_build=True
    )


def setting(default: Any, description: str, example: str, **limits: Any) -> Any:
    """A field with what its documentation and its error message say."""
    return Field(default, description=description, examples=[example], **limits)
