"""Draw a terminal session as SVG: commands run in a real pseudo-terminal, whose screen is then read cell by cell."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, LINES = 96, 120
SALAMBOT = Path(__file__).parent.parent / "salambot"
SESSION = (
    ("up",),
    ("chat", "C'est quoi votre politique de remboursement ?"),
    ("chat", "bghit nrje3 lcommande, kifach?"),
)


def run(arguments: tuple[str, ...], project: str, stream: pyte.ByteStream) -> None:
    """Type a command at a prompt, and let the screen have what it prints."""
    shown = " ".join(f'"{argument}"' if " " in argument else argument for argument in arguments)
    stream.feed(f"\033[32m$\033[0m \033[1m./salambot {shown}\033[0m\r\n".encode())
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    settings = os.environ | {"SALAMBOT_PROJECT": project, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    settings.pop("NO_COLOR", None)
    with subprocess.Popen(
        ["./salambot", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=settings, cwd=SALAMBOT.parent
    ) as child:
        os.close(theirs)
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not piece:
                break
            stream.feed(piece)
        os.close(ours)
    if child.returncode:
        sys.exit(f"salambot {shown} ended with {child.returncode}")
    stream.feed(b"\r\n")


def style_of(cell: Char) -> Style:
    """Translate a cell's attributes."""

    def colour(name: str) -> str | None:
        plain = name.replace("brown", "yellow")
        if plain == "default":
            return None
        is_hex = len(plain) == 6 and all(digit in "0123456789abcdef" for digit in plain)
        return f"#{plain}" if is_hex else plain.replace("bright", "bright_")

    return Style(
        color=colour(cell.fg),
        bgcolor=colour(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def lines_of(screen: pyte.Screen) -> list[Text]:
    """Return the screen's lines, without the empty ones at its end."""
    lines = []
    for number in range(screen.lines):
        line = Text(no_wrap=True)
        for column in range(screen.columns):
            cell = screen.buffer[number][column]
            line.append(cell.data, style_of(cell))
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def draw(screen: pyte.Screen, target: Path) -> None:
    """Write the SVG, with fonts of the reader's machine: a picture fetches nothing."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for line in lines_of(screen):
            console.print(line, no_wrap=True, crop=True)
        svg = console.export_svg(title="SalamBot", unique_id="up")
    target.write_text(re.sub(r"@font-face {[^}]*}\s*", "", svg))


def main() -> None:
    """Record the session in a project of its own."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    with tempfile.TemporaryDirectory(prefix="salambot-record-") as project:
        Path(project).chmod(0o755)
        try:
            for arguments in SESSION:
                run(arguments, project, stream)
        finally:
            subprocess.run([SALAMBOT, "down"], env=os.environ | {"SALAMBOT_PROJECT": project}, check=True)
    draw(screen, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
