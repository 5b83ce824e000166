"""Generated kernels: their text becomes a file, so that numba's cache can find it again.

The file's name holds a hash of its text. A changed kernel is therefore another file, and a stale
answer from the cache is impossible.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from bgsub.kernels.cache import folder


@cache
def load(text: str) -> dict[str, Any]:
    """The names that `text`, a module of kernels, defines."""
    name = f"kernels_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    path = folder() / f"{name}.py"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(text)
        Path.replace(part, path)
    names: dict[str, Any] = {"__name__": f"bgsub.kernels.{name}", "__file__": str(path)}
    exec(compile(text, str(path), "exec"), names)
    return names
