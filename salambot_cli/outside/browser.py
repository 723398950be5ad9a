"""The person's browser, where there is one: a machine without a screen has none."""

import os
import sys
import webbrowser


def open_page(url: str) -> bool:
    """Open a page in the person's browser; False where there is none to be seen."""
    graphical = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return bool(graphical or os.environ.get("BROWSER")) and webbrowser.open(url)
