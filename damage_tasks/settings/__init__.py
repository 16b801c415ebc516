"""Settings from the environment."""

from damage_tasks.settings.base import PREFIX
from damage_tasks.settings.environment import (
    BULK,
    URGENT,
    Settings,
    get_settings,
    refuse_unknown_variables,
)

__all__ = ["BULK", "PREFIX", "URGENT", "Settings", "get_settings", "refuse_unknown_variables"]
