"""The tasks that travel on the queue, and their arguments."""

DETECT_DAMAGE = "detect_damage"
RECORD_MALFORMED = "record_malformed"

# Names of the tasks' arguments; the first one is required.
ARGUMENTS = {DETECT_DAMAGE: ("url", "metadata"), RECORD_MALFORMED: ("body",)}
