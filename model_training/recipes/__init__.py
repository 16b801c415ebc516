"""Rules by which photos were curated."""

from pathlib import Path

DEFAULT_RECIPE = Path(__file__).parent / "default.toml"
