"""Settings from the environment."""

from damage_tasks.settings.base import PREFIX
from damage_tasks.settings.environment import (
    Settings,
    get_settings,
    refuse_unknown_variables,
)

__all__ = ["PREFIX", "Settings", "get_settings", "refuse_unknown_variables"]
