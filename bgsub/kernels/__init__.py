"""The compiled room: numba and numpy only, arrays in and out, no validation, no I/O."""

from bgsub.kernels import cache as _cache

_cache.install()
