"""Promised: each room imports only what the architecture allows."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bgsub"
FOUR_ROOMS = {"frames", "models", "masks", "sinks"}
PIPELINE = FOUR_ROOMS | {"events", "config"}
# What `pipeline` may import, and `pipeline` itself.
AROUND = PIPELINE | {"pipeline"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "kernels": set(),
    "synthetic": set(),
    "mixture": {"kernels"},
    "masks": {"kernels"},
    "frames": set(),
    "sinks": set(),
    "models": {"kernels", "mixture"},
    "events": {"masks"},
    "config": FOUR_ROOMS | {"events"},
    "pipeline": PIPELINE,
    "evaluation": AROUND | {"mixture", "synthetic"},
    "batch": AROUND,
    "live": AROUND,
    "cli": AROUND | {"evaluation", "batch", "live", "mixture", "synthetic"},
    "__init__": set(),
    "__main__": {"cli"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Top-level modules, and for bgsub the rooms, that a file imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module == "bgsub":
                names |= {f"bgsub.{alias.name}" for alias in node.names}
            else:
                names.add(module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_the_table_allows(path):
    room = room_of(path)
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("bgsub.")}
    allowed = MAY_IMPORT[room] | {"errors", "__version__", room}
    assert rooms <= allowed, f"{room} imports {sorted(rooms - allowed)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_numba_stays_in_kernels_and_click_in_cli(path):
    outside = {name.split(".")[0] for name in imported(path)}
    if room_of(path) != "kernels":
        assert "numba" not in outside
    if room_of(path) != "cli":
        assert "click" not in outside
