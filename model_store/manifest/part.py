"""The base class of the manifest's parts, which reports all their problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError
from pydantic import model_validator as validator
from pydantic_core import InitErrorDetails, PydanticCustomError


class Part(BaseModel):
    """A part of the manifest: frozen, and without unknown keys."""

    # A misspelt key must not be silently ignored: it may be a threshold.
    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:  # noqa: ARG003  # for subclasses
        """What is wrong between keys of the part ``given``.

        Single keys may be missing or of a wrong type, which is reported elsewhere.
        """
        yield from ()

    @validator(mode="wrap")
    @classmethod
    def _report_misfits(cls, given: Any, check_keys: ModelWrapValidatorHandler[Self]) -> Self:
        # pydantic runs validators of a whole model only once every key is right.
        try:
            part = check_keys(given)
        except ValidationError as error:
            found = list(cls.misfits(given)) if isinstance(given, Mapping) else []
            raise _with_misfits(error, found) from None
        if misfits := list(cls.misfits(part.model_dump(by_alias=True))):
            raise ValueError("; ".join(misfits))
        return part


def _with_misfits(error: ValidationError, misfits: list[str]) -> ValidationError:
    problems = [(found["loc"], found["msg"]) for found in error.errors()]
    if misfits:
        problems.append(((), "; ".join(misfits)))
    details = [
        InitErrorDetails(
            type=PydanticCustomError("misfit", "{text}", {"text": text}), loc=key, input=None
        )
        for key, text in problems
    ]
    return ValidationError.from_exception_data(error.title, details)


def problems_of(error: ValidationError, root: str) -> str:
    """Every wrong key of a document named ``root``, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, found['loc'])) or root}: {found['msg'].removeprefix('Value error, ')}"
        for found in error.errors()
    )


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The JSON objects in a list; empty for anything else."""
    return [item for item in value if isinstance(item, Mapping)] if is_list(value) else []


def is_list(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether ``value`` is a list in JSON."""
    return isinstance(value, list | tuple)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether ``value`` is a number in JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)
