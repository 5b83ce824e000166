"""A window to watch, where there is a display."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable

import cv2

from bgsub.errors import ConfigError
from bgsub.sinks.base import Result
from bgsub.sinks.views import overlay

QUIT_KEYS = (ord("q"), 27)  # q, Escape
WINDOW = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
SMALLEST = 640  # pixels of width below which the window enlarges the picture


def display_problem() -> str | None:
    """Why no window can be shown here; None if one can."""
    about = cv2.getBuildInformation()
    gui = next((line for line in about.splitlines() if line.strip().startswith("GUI:")), "")
    if "NONE" in gui:
        return "this OpenCV was built without windows (a headless distribution)"
    # Where no display server answers, imshow ends the process instead of raising.
    if sys.platform in ("win32", "darwin") or os.environ.get("WAYLAND_DISPLAY"):
        return None
    display = os.environ.get("DISPLAY", "")
    if not display:
        return "there is no display (DISPLAY and WAYLAND_DISPLAY are not set)"
    return None if _answers(display) else f"no display server answers at DISPLAY={display}"


def _answers(display: str) -> bool:
    """Whether an X server of this machine listens; one elsewhere is believed."""
    host, _, number = display.rpartition(":")
    if host not in ("", "unix"):
        return True
    path = f"/tmp/.X11-unix/X{number.partition('.')[0]}"
    for address in (path, f"\0{path}"):  # by file, or in Linux's abstract names
        with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError):
            caller.connect(address)
            return True
    return False


class PreviewSink:
    """Shows the overlay of every result in a window.

    Parameters
    ----------
    on_quit
        Called when q or Escape is pressed or the window is closed.

    Raises
    ------
    ConfigError
        No window can be shown here.
    """

    needs_boxes = True

    def __init__(self, title: str, on_quit: Callable[[], None]) -> None:
        problem = display_problem()
        if problem is not None:
            raise ConfigError(f"no preview: {problem}; write --overlay and look at the file")
        # OpenCV's Qt would complain at every window that it brings no fonts; it needs none here.
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        self._title, self._on_quit = title, on_quit
        self._shown = False

    def write(self, result: Result) -> None:
        if not self._shown:
            cv2.namedWindow(self._title, WINDOW)
            height, width = result.mask.shape
            factor = max(1.0, SMALLEST / width)
            cv2.resizeWindow(self._title, round(width * factor), round(height * factor))
            self._shown = True
        cv2.imshow(self._title, overlay(result))
        key = cv2.waitKey(1) & 0xFF
        if key in QUIT_KEYS or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self._on_quit()

    def close(self) -> None:
        if self._shown:
            cv2.destroyAllWindows()
            self._shown = False

    def abort(self) -> None:
        self.close()
