"""Rules by which photos were curated."""

from pathlib import Path

DEFAULT = Path(__file__).parent / "default.toml"
