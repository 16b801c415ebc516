"""Overlays: the photo, the outlines of damaged areas and a legend."""

from damage_tasks.overlay.outlines import style_of
from damage_tasks.overlay.renderer import class_mask_png, encode_jpeg, render_overlay

__all__ = ["class_mask_png", "encode_jpeg", "render_overlay", "style_of"]
