"""Compact messages: requests in Protocol Buffers, as ``inspection_request.proto`` defines them.

SQS carries text, so the body is base64.  A message attribute distinguishes it from JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from damage_tasks.errors import ExtraMissing, MetadataInvalid
from damage_tasks.sqs.celery_message import Json
from damage_tasks.sqs.inspection_options import DEADLINE, OPTIONS_KEY

CONTENT_TYPE_ATTRIBUTE = "content_type"  # an SQS message attribute
CONTENT_TYPE = "application/protobuf"
_CONTENT_TYPES = (CONTENT_TYPE, "application/x-protobuf")

# Compiled from the .proto file by `make docs`, with all its imports.
DESCRIPTORS = Path(__file__).with_name("inspection_request.binpb")

MAX_EXACT_INTEGER = 2**53  # a double represents every integer up to it


def is_compact(message: Json) -> bool:
    """Whether the attributes of an SQS message, as boto3 returns it, say that it is compact."""
    attributes = message.get("MessageAttributes")
    attribute = attributes.get(CONTENT_TYPE_ATTRIBUTE) if isinstance(attributes, dict) else None
    value = attribute.get("StringValue") if isinstance(attribute, dict) else None
    return isinstance(value, str) and value.partition(";")[0].strip().lower() in _CONTENT_TYPES


@cache
def request_class() -> Any:
    """The class of ``InspectionRequest`` messages; raises `ExtraMissing` without protobuf.

    Workers call this before they fork; callers need it only for compact messages.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ModuleNotFoundError:
        raise ExtraMissing(
            "compact messages need protobuf: pip install 'damage-tasks[compact]'"
        ) from None
    # Not the default pool: the process may have compiled the same .proto file itself.
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("damage_tasks.InspectionRequest")
    )


def read_request(text: str) -> Json:
    """The request in the body of a compact message.

    Has ``image_url`` (empty if it is missing), ``metadata`` and ``inspection``, whose deadline is
    a `datetime`.  Unknown fields are ignored.  Raises `ValueError` for any other body.
    """
    try:
        # Tools such as base64(1) break lines.
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise ValueError(
            f"the {CONTENT_TYPE_ATTRIBUTE} is {CONTENT_TYPE}, but the body is not base64: {error}"
        ) from None
    from google.protobuf.message import DecodeError

    try:
        request = request_class().FromString(data)
    except DecodeError as error:
        raise ValueError(
            "the body is not an InspectionRequest (inspection_request.proto), or its metadata is "
            f"nested more than 30 levels deep: {error}"
        ) from None
    return {
        "image_url": request.image_url,
        "metadata": _object(request.metadata),
        OPTIONS_KEY: _options(request.inspection),
    }


def write_request(url: str, metadata: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """The body of a compact message; ``options`` have been checked, the deadline is ISO 8601.

    Raises `MetadataInvalid` for metadata that the format would change, and `ExtraMissing`.
    """
    # The format cannot represent half of a surrogate pair; the worker rejects the URL.
    request = request_class()(image_url=url.encode("utf-8", "replace").decode())
    for name, value in options.items():
        if name == DEADLINE:
            request.inspection.deadline.FromDatetime(datetime.fromisoformat(value))
        else:
            setattr(request.inspection, name, value)
    try:
        request.metadata.update(metadata)
        body = base64.b64encode(request.SerializeToString()).decode()
        # A large integer that a double represents comes back as a double, and equals it.
        json.loads(json.dumps(metadata), parse_int=_exact_integer)
        is_unchanged = read_request(body)["metadata"] == metadata
    except (ValueError, OverflowError):
        is_unchanged = False
    if not is_unchanged:
        raise MetadataInvalid(
            "a compact message would change the metadata: integers must be at most 2**53, and "
            "objects nested at most 30 levels deep; send this photo without compact=True"
        )
    return body


def _options(options: Any) -> Json:
    """The options that are set."""
    found = {field.name: value for field, value in options.ListFields()}
    if DEADLINE in found:
        found[DEADLINE] = _moment(found[DEADLINE])
    return found


def _moment(stamp: Any) -> datetime | str:
    """A Timestamp's moment; for one beyond the year 9999 a text that is not a valid deadline."""
    try:
        moment: datetime = stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return f"{stamp.seconds} s since 1970"
    return moment


def _object(struct: Any) -> Json:
    return {key: _value(value) for key, value in struct.fields.items()}


def _value(value: Any) -> Any:
    """The JSON value in a ``google.protobuf.Value``; null if it is not set."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return _number(value.number_value)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _object(value.struct_value)
        case "list_value":
            return [_value(item) for item in value.list_value.values]
        case _:
            return None


def _exact_integer(digits: str) -> int:
    number = int(digits)
    if abs(number) > MAX_EXACT_INTEGER:
        raise ValueError
    return number


def _number(number: float) -> int | float:
    if number.is_integer() and abs(number) <= MAX_EXACT_INTEGER:
        return int(number)
    return number
