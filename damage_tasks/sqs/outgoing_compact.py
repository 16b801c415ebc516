"""Compact messages for photos, checked as Celery's messages are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from damage_tasks.errors import CallRefused
from damage_tasks.settings import get_settings
from damage_tasks.sqs.compact_message import CONTENT_TYPE, CONTENT_TYPE_ATTRIBUTE, write_request
from damage_tasks.sqs.inspection_options import OWN_ID, option_headers
from damage_tasks.sqs.outgoing_batches import OutgoingMessage
from damage_tasks.sqs.outgoing_checks import check_call, check_delay
from damage_tasks.sqs.trace_headers import as_attributes, kept_headers
from damage_tasks.telemetry import redact
from damage_tasks.telemetry.traces import current_trace

if TYPE_CHECKING:
    from damage_tasks.contract import CallOptions

_OPTIONS = ("queue", "DelaySeconds", "MessageGroupId", "inspection")
_ATTRIBUTES = {CONTENT_TYPE_ATTRIBUTE: {"DataType": "String", "StringValue": CONTENT_TYPE}}


def compact_message(
    arguments: Sequence[Any], inspection: Any, options: CallOptions
) -> OutgoingMessage:
    """The compact message for a photo; its id is the MessageId if ``inspection`` has none.

    ``arguments`` are those of `detect_damage`: a URL and, optionally, metadata.  Raises
    `CallRefused`, `MetadataInvalid`, `SettingsError` and `ExtraMissing`.
    """
    if unknown := options.keys() - set(_OPTIONS):
        raise CallRefused(
            f"a compact message does not support {min(unknown)}; it supports {', '.join(_OPTIONS)}"
        )
    check_call(arguments, {})
    url, metadata = (*arguments, None)[:2]
    check_delay(options.get("DelaySeconds", 0))
    try:
        id, headers = option_headers(inspection or {})
    except ValueError as error:
        raise CallRefused(str(error)) from None
    headers.pop(OWN_ID, None)
    written = {**headers, **({"id": id} if id else {})}
    given: Any = options
    entry = {
        "MessageBody": write_request(url, metadata or {}, written),
        "MessageAttributes": {**_ATTRIBUTES, **as_attributes(kept_headers(current_trace()))},
        **{name: given[name] for name in ("DelaySeconds", "MessageGroupId") if name in given},
    }
    return OutgoingMessage(id, redact(url), _queue_url(options.get("queue")), entry)


def _queue_url(name: str | None) -> str:
    urls = get_settings().queue_urls
    if name is None:
        return next(iter(urls.values()))
    if name not in urls:
        raise CallRefused(
            f"a compact message cannot be sent to the queue {name!r}: "
            f"the settings have {', '.join(map(repr, urls))}"
        )
    return urls[name]
