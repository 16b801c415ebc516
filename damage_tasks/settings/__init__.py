"""Settings from the environment."""

from damage_tasks.settings.base import PREFIX
from damage_tasks.settings.environment import (
    URGENT,
    Settings,
    get_settings,
    refuse_unknown_variables,
)

__all__ = ["PREFIX", "URGENT", "Settings", "get_settings", "refuse_unknown_variables"]
