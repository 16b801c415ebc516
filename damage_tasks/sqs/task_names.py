"""The tasks on the queue, their arguments and their ids."""

from typing import Any

from damage_tasks.inspection_id import MAX_ID_BYTES

DETECT_DAMAGE = "detect_damage"
RECORD_MALFORMED = "record_malformed"
FORWARD_UPLOADS = "forward_uploads"  # called by workers only, so no message may name it

MAX_RETRIES = 1000  # that a message may have behind it

# Names of the tasks' arguments; the first one is required.
ARGUMENTS = {DETECT_DAMAGE: ("url", "metadata"), RECORD_MALFORMED: ("body",)}


def is_task_id(value: Any) -> bool:
    """Whether ``value`` can be the id of a task, and thus of an inspection."""
    # Unprintable characters include lone surrogates, which cannot be encoded in UTF-8.
    return (
        isinstance(value, str) and value.isprintable() and 0 < len(value.encode()) <= MAX_ID_BYTES
    )
