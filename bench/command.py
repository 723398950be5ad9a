"""How long the command takes to say its help and its version, beside a bare Typer application and a bare Python."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.table import Row, markdown

ROUNDS = 15
SALAMBOT = str(Path(sys.executable).with_name("salambot"))

BARE_TYPER = """
import typer
app = typer.Typer(rich_markup_mode="rich", help="A bare application.")
for name in "init up status logs seed smoke doctor render secrets tunnel webhook token chat config down".split():
    def run(topology: str = typer.Option("local", help="A topology."), json: bool = False) -> None:
        "Do one thing."
    app.command(name)(run)
app()
"""


def milliseconds(*commands: list[str]) -> list[float]:
    """Return the median time of each command, run in turn so that the machine's moods fall on all alike."""
    times: list[list[float]] = [[] for _ in commands]
    for round_number in range(ROUNDS + 1):
        for command, taken in zip(commands, times, strict=True):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            if round_number:  # the first one fills caches
                taken.append((time.perf_counter() - started) * 1000)
    return [statistics.median(taken) for taken in times]


def measure() -> list[Row]:
    """Compare the command with its peers."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE_TYPER)
        our_help, bare_help, our_version, bare_python = milliseconds(
            [SALAMBOT, "--help"], [python, str(bare), "--help"], [SALAMBOT, "--version"], [python, "-c", ""]
        )
    return [
        Row("`--help`, beside a bare Typer application", our_help, bare_help, "ms", bare_help * 1.3, "≤ 1.3 ×"),
        Row(
            "`--version`, beside bare Python", our_version, bare_python, "ms", bare_python * 1.2 + 60, "≤ 1.2 × + 60 ms"
        ),
    ]


if __name__ == "__main__":
    print(markdown(measure()))
