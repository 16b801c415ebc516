"""Sample photos that the project draws itself: car panels with known damage.

Nothing of unclear rights has to be shipped, and the truth of each photo is known
to the pixel.  The drawing follows light: panels are a relief whose clear coat
mirrors a street, so that a dent shows as it does on a real car, by what it does
to the reflections.
"""

from damage_tasks.samples.car_photo import TYPES, Sample, draw_sample
from damage_tasks.samples.sample_folder import write_samples

__all__ = ["TYPES", "Sample", "draw_sample", "write_samples"]
