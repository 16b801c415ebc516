"""Photos: from a URL to pixels, with every limit on the way."""

from damage_tasks.photos.decode import Photo, decode
from damage_tasks.photos.reader import PhotoReader

__all__ = ["Photo", "PhotoReader", "decode"]
