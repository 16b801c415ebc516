"""Settings from the environment."""

from damage_tasks.settings.base import PREFIX
from damage_tasks.settings.environment import Settings, get_settings

__all__ = ["PREFIX", "Settings", "get_settings"]
