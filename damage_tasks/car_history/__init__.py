"""Whether a car's damage is new: compares a photo with earlier photos of the same car."""
