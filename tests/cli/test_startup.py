"""Help and version load nothing that they do not show: start-up time is what people feel most often."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from salambot_cli.__main__ import main
try:
    main()
except SystemExit:
    pass
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
HEAVY = {
    "asyncio",
    "boto3",
    "httpx",
    "pydantic",
    "psutil",
    "python_on_whales",
    "jinja2",
    "cryptography",
    "jwt",
}


def loaded_by(*arguments: str) -> tuple[str, set[str]]:
    """Run the command; return what it printed, and the top-level modules that it loaded."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout, set(done.stderr.split())


def test_help_loads_no_sdk() -> None:
    said, modules = loaded_by("--help")
    assert "Usage:" in said
    assert modules & HEAVY == set()


@pytest.mark.parametrize("command", ["up", "status", "doctor"])
def test_the_help_of_a_command_loads_what_typer_loads_and_no_sdk(command: str) -> None:
    assert loaded_by(command, "--help")[1] & HEAVY <= {"pydantic"}


def test_the_version_does_not_even_load_typer() -> None:
    said, modules = loaded_by("--version")
    assert said.count(".") >= 2
    assert modules & {*HEAVY, "typer", "rich"} == set()
