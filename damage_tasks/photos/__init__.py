"""Photos: download and decoding, with limits at every step."""

from damage_tasks.photos.decode import Photo, decode
from damage_tasks.photos.reader import PhotoReader

__all__ = ["Photo", "PhotoReader", "decode"]
