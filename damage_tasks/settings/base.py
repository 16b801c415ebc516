"""Base class and fields for the groups of settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "DAMAGE_"


# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE_LINK = re.compile(
    r".+_SERVICE_(HOST|PORT(_.+)?)|.+_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?"
)


def is_service_link(variable: str, value: str) -> bool:
    """Whether Kubernetes sets ``variable`` to announce a Service.

    In every pod of a namespace it sets, for example, ``DAMAGE_API_SERVICE_HOST`` for a Service
    ``damage-api``.
    """
    if variable.endswith("_PORT") and re.match(r"(tcp|udp|sctp)://", value):
        return True
    return _SERVICE_LINK.fullmatch(variable) is not None


class _WithoutServiceLinks(EnvSettingsSource):
    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = super()._load_env_vars()
        return {
            name: value
            for name, value in found.items()
            if not is_service_link(name.upper(), value or "")
        }


class Group(BaseSettings):
    """A group of settings; each variable is `PREFIX` plus the upper-case field name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", defer_build=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _WithoutServiceLinks(settings_cls)


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


Entry = TypeVar("Entry")
# "a, b" in the environment; by default pydantic-settings would expect JSON.
CommaSeparated = Annotated[tuple[Entry, ...], NoDecode, BeforeValidator(_split)]


def setting(default: Any, description: str, example: str, **limits: Any) -> Any:
    """A field with its description and example, for the documentation and error messages."""
    return Field(default, description=description, examples=[example], **limits)
