"""The user's browser, if there is a display."""

import os
import sys
import webbrowser


def open_page(url: str) -> bool:
    """Open a page in the browser; return False if there is no display."""
    graphical = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return bool(graphical or os.environ.get("BROWSER")) and webbrowser.open(url)
