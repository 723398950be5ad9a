"""What is added by one file and one line cannot miss the line: each file of a family stands in its tuple."""

from importlib import import_module
from pathlib import Path

import pytest
import typer

from salambot.webhooks.channels import CHANNELS
from salambot_cli.commands import COMMANDS
from salambot_cli.doctor import PROBES


def files(folder: Path, *, defining: str) -> set[str]:
    """Return the modules of a folder that define what makes a file one of the family."""
    return {path.stem for path in folder.glob("*.py") if defining in path.read_text()}


def test_commands(checkout: Path) -> None:
    assert files(checkout / "salambot_cli/commands", defining="\napp = typer.Typer(") == {
        name.replace("-", "_") for name in COMMANDS
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_help_says(name: str) -> None:
    command = typer.main.get_command(import_module(f"salambot_cli.commands.{name.replace('-', '_')}").app)
    assert command.help is not None
    assert COMMANDS[name] == command.help.split("\n")[0]


def test_probes(checkout: Path) -> None:
    groups = files(checkout / "salambot_cli/doctor", defining="\nPROBES = (") - {"probes"}
    found = {probe for group in groups for probe in import_module(f"salambot_cli.doctor.{group}").PROBES}
    assert found == set(PROBES)


def test_channels(checkout: Path) -> None:
    assert files(checkout / "services/salambot/webhooks/channels", defining="\nCHANNEL = ") == set(CHANNELS)


@pytest.mark.parametrize(("package", "registry"), [("vectors", "VECTORS"), ("embedders", "EMBEDDERS")])
def test_providers(checkout: Path, package: str, registry: str) -> None:
    modules = {path.stem for path in (checkout / "services/salambot/knowledge" / package).glob("*.py")}
    assert modules - {"__init__", "base"} == set(getattr(import_module(f"salambot.knowledge.{package}"), registry))
