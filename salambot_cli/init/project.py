"""The files of a new project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from salambot_cli.components.variables import REQUIRED, is_secret
from salambot_cli.config.load import load_environment
from salambot_cli.config.schema import Config, describe
from salambot_cli.config.validate import missing_variables
from salambot_cli.host.assets import asset
from salambot_cli.host.files import replace_file
from salambot_cli.host.toml_file import set_values
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.topology import COMPONENTS, TopologyName, preset

_IGNORE = (".env", ".env.*", "!.env.example", ".salambot/")
_AWS_TABLE = """
[aws]
region = "eu-west-1"
secret = "salambot/demo"   # one JSON secret: {"OPENAI_API_KEY": "...", ...}; `salambot secrets push` fills it
"""


@dataclass(frozen=True, slots=True)
class InitialSettings:
    """Settings of a new project: presets, and overrides (dotted key -> value)."""

    topology: tuple[str, ...] = ("local",)
    values: Mapping[str, str] = field(default_factory=dict)


def start_project(root: Path, beginning: InitialSettings, *, force: bool) -> tuple[list[str], list[str]]:
    """Write the files of a project; return the names of those written, and of those left alone."""
    presets = _known_presets(beginning.topology)
    config = set_values(_config(presets), beginning.values)
    overrides = {name.removeprefix("placement."): value for name, value in beginning.values.items()}
    files: dict[str, str | bytes] = {"salambot.toml": config, ".env.example": _env_example(presets, overrides)}
    sample = asset("templates/kb")
    for document in sorted(path for path in sample.rglob("*") if path.is_file()):
        files[f"kb/{document.relative_to(sample).as_posix()}"] = document.read_bytes()
    written: list[str] = []
    kept: list[str] = []
    for name, content in files.items():
        if (root / name).exists() and not force:
            kept.append(name)
        else:
            replace_file(root / name, content, mode=0o644)
            written.append(name)
    if _ignore_secrets(root):
        written.append(".gitignore")
    return written, kept


def next_steps(root: Path) -> list[str]:
    """Return the commands that lead from here to a chatbot: one for each variable that is missing, then `up`."""
    environment = load_environment(root)
    steps = [f"salambot env set {missing.name}" for missing in missing_variables(environment)]
    if environment.placement("secrets") == "aws":
        placed = {(component, environment.placement(component)) for component in COMPONENTS}
        secret = {name for use, names in REQUIRED.items() if use in placed for name in names if is_secret(name)}
        steps += [f"salambot secrets push {name} --create" for name in sorted(secret)[:1]]
        steps += [f"salambot secrets push {name}" for name in sorted(secret)[1:]]
    return [*steps, "salambot up"]


def _known_presets(names: Sequence[str]) -> tuple[TopologyName, ...]:
    try:
        return Config.model_validate({"topology": [name.strip() for name in names]}).presets
    except ValidationError as error:
        raise ConfigurationError(
            "--topology is not valid", "\n".join(describe(error)), "salambot init --topology t1,t3"
        ) from error


def _config(presets: tuple[TopologyName, ...]) -> str:
    words = ", ".join(f'"{name}"' for name in presets)
    placements = preset(presets)
    listed = "\n".join(f'# {name:<9} = "{placements[name]}"' for name in COMPONENTS)
    return f"""# SalamBot. This file holds no secret: those go to .env, or to Secrets Manager (topology t3).
tenant   = "demo"
topology = [{words}]   # local, t1 (data in the cloud), t2 (files and telemetry), t3 (secrets); combine in order
runtime  = "auto"       # compose where a Docker engine answers, else process

[placement]             # move a single component by one line
{listed}

[ports]                 # "auto" picks a free one
gateway = 8080
{_AWS_TABLE if placements["secrets"] == "aws" else ""}"""


def _env_example(presets: tuple[TopologyName, ...], overrides: Mapping[str, str]) -> str:
    placements = {name: overrides.get(name, placement) for name, placement in preset(presets).items()}
    names = [
        name
        for (component, placement), needed in REQUIRED.items()
        if placements[component] == placement
        for name in needed
    ]
    lines = [f"{name}={'' if is_secret(name) else '...'}" for name in dict.fromkeys(names)]
    head = (
        "# Copy to .env (mode 0600, ignored by git) and fill in. `salambot config show` tells what is still missing.\n"
    )
    return head + ("\n".join(lines) + "\n" if lines else "# Topology local needs no variable at all.\n")


def _ignore_secrets(root: Path) -> bool:
    path = root / ".gitignore"
    present = path.read_text().splitlines() if path.exists() else []
    missing = [rule for rule in _IGNORE if rule not in present]
    if missing:
        replace_file(path, "\n".join([*present, *missing]) + "\n", mode=0o644)
    return bool(missing)
