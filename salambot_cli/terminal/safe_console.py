"""The console that all output for people goes through: no text in it reaches the terminal as a command."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from salambot_cli.model.untrusted import visible_lines


class SafeConsole(Console):
    """Writes control characters as their escapes, whatever printed them; styles and cursor moves are Rich's own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and make visible what is no text."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible_lines(segment.text), segment.style)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - Rich's own options
        """Read a string as Rich's markup; what somebody else wrote holds none."""
        return super().render_str(str(text), **options)
