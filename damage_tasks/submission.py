"""Sends many photos, ten with each request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from damage_tasks.app import app
from damage_tasks.errors import CallRefused
from damage_tasks.tasks import detect_damage
from damage_tasks.telemetry import redact

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from damage_tasks.contract import CallOptions, Photo
    from damage_tasks.sqs.outgoing_batches import OutgoingMessage, RecordingChannel


def submit_many(
    photos: Iterable[Photo], *, compact: bool = False, **options: Unpack[CallOptions]
) -> Iterator[str]:
    """Send ``photos``, ten with each request; yields the id of each inspection, in their order.

    A photo is a URL, a tuple of a URL and metadata, or a `PhotoRequest` with its own
    options.  ``options`` are those of `detect_damage.apply_async` and apply to every photo.
    ``photos`` may be a generator of any length, since they are taken only as they are sent.
    Nothing is sent before the first id is requested::

        ids = list(submit_many(["https://photos.example/1.jpg", ("s3://b/2.jpg", {"car_id": 7})]))

    ``compact`` sends Protocol Buffers instead of Celery's messages, without ``expires`` and
    ``headers``; it needs ``damage-tasks[compact]``.

    Messages that SQS could not accept are sent again for about 3 seconds.  Raises `PhotosNotSent`
    if some remain, and otherwise the same errors as `detect_damage.delay`.  When an error is
    raised, exactly the photos whose ids were yielded have been sent; with `PhotosNotSent` also
    those whose ids are in its ``sent``.
    """
    if isinstance(photos, str | bytes | Mapping):
        raise CallRefused("submit_many takes several photos: put a single one into a list")
    # SQS clients and pydantic take 0.4 s to import, and an import of the package alone needs none.
    from damage_tasks.sqs.outgoing_batches import recording_channel, send_in_batches
    from damage_tasks.sqs.queues import sending_client

    if compact:
        yield from send_in_batches(sending_client(), _compact_messages(photos, options))
        return
    with recording_channel(app.conf.broker_transport_options) as channel:
        yield from send_in_batches(sending_client(), _messages(photos, channel, options))


def _messages(
    photos: Iterable[Photo], channel: RecordingChannel, options: CallOptions
) -> Iterator[OutgoingMessage]:
    """The messages of ``photos``, exactly as `detect_damage.apply_async` would send them."""
    with app.amqp.Producer(channel, auto_declare=False) as producer:
        for photo in photos:
            arguments, inspection = _call(photo, options.get("inspection"))
            given: Any = {**options, "inspection": inspection}
            sent: Any = detect_damage.apply_async(arguments, producer=producer, **given)
            yield channel.take(id=sent.id, label=redact(str(arguments[0])))


def _compact_messages(photos: Iterable[Photo], options: CallOptions) -> Iterator[OutgoingMessage]:
    from damage_tasks.sqs.outgoing_compact import compact_message

    for photo in photos:
        arguments, inspection = _call(photo, options.get("inspection"))
        yield compact_message(arguments, inspection, options)


def _call(photo: Any, common: Any) -> tuple[Any, Any]:
    """The arguments of the task for ``photo``, and its options: ``common`` ones and its own."""
    if isinstance(photo, str):
        return (photo,), common
    if isinstance(photo, tuple | list) and 1 <= len(photo) <= 2:
        return photo, common
    if not isinstance(photo, Mapping):
        raise CallRefused(
            "a photo must be a URL, a tuple of a URL and metadata, or a dictionary with url"
        )
    if "url" not in photo or not photo.keys() <= {"url", "metadata", "inspection"}:
        raise CallRefused(
            f"a photo must have a url, and may have metadata and inspection, not "
            f"{', '.join(map(repr, photo))}"
        )
    own = photo.get("inspection") or {}
    merged = {**(common or {}), **own} if isinstance(own, Mapping) else own
    return (photo["url"], photo.get("metadata")), merged
