"""Generated kernels: their text becomes a file, so that numba's cache can find it again.

The file's name holds a hash of its text. A changed kernel is therefore another file, and a stale
answer from the cache is impossible.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import threading
from functools import cache
from pathlib import Path
from types import ModuleType

from bgsub.kernels.cache import folder

_one_at_a_time = threading.Lock()


@cache
def version(module: ModuleType) -> str:
    """What tells a module's text from any other: numba does not see that an import has changed."""
    assert module.__file__ is not None
    return hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()[:16]


def load(text: str) -> ModuleType:
    """The module of kernels whose source is `text`; from any thread the same one."""
    with _one_at_a_time:
        return _made(text)


@cache
def _made(text: str) -> ModuleType:
    name = f"bgsub_kernels_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    path = folder() / f"{name}.py"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(text)
        Path.replace(part, path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # numba looks the module up when it loads a kernel from its cache
    spec.loader.exec_module(module)
    return module
