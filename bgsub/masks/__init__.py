"""Raw mask to clean mask; mask to blobs."""

from bgsub.masks.blobs import Blobs, find_blobs
from bgsub.masks.clean import Cleaner, MaskParams

__all__ = ["Blobs", "Cleaner", "MaskParams", "find_blobs"]
