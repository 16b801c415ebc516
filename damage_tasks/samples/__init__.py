"""Drawn sample photos: car panels with known damage.

Drawing avoids photos with unclear rights, and the truth of each photo is known
to the pixel.  The drawing simulates light: panels are a relief whose clear coat
mirrors a street, so that a dent is visible as on a real car, by its effect
on the reflections.
"""

from damage_tasks.samples.car_photo import TYPES, Sample, draw_sample
from damage_tasks.samples.sample_folder import write_samples

__all__ = ["TYPES", "Sample", "draw_sample", "write_samples"]
