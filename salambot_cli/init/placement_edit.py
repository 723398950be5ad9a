"""Move a component by one line: what changes in `salambot.toml`, and what its new place will need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from salambot_cli.components import PLACEMENTS
from salambot_cli.config.load import CONFIG_NAME, environment_root, find_config, load_environment, project_root
from salambot_cli.config.schema import nearest
from salambot_cli.config.validate import missing_variables
from salambot_cli.host.files import replace_file
from salambot_cli.host.toml_file import set_values, unified_diff
from salambot_cli.model.environment import Environment
from salambot_cli.model.environment_folder import OWN, name_of_environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.topology import COMPONENTS, Component

_DATA: Mapping[Component, str] = {
    "postgres": "conversations and webhooks stay in the database before; `salambot up` makes the tables in the new one",
    "vector": "the index is rebuilt: salambot seed",
    "objects": "the documents are uploaded again: salambot seed",
}


@dataclass(frozen=True, slots=True)
class PlacementEdit:
    """An edit of placements: the changed file, and the variables still missing."""

    file: Path
    diff: str
    missing: tuple[str, ...]
    hints: tuple[str, ...]


def edit_placement(start: Path, pairs: Sequence[str]) -> PlacementEdit:
    """Write `component=placement` pairs into `salambot.toml`.

    Raises:
        ConfigurationError: a pair names no component or placement; nothing is written then.
    """
    wanted = dict(map(_pair, pairs))
    file = find_config(start) or project_root(start) / CONFIG_NAME
    name = name_of_environment(environment_root(start))
    table = "placement" if name == OWN else f"env.{name}.placement"
    before = file.read_text(encoding="utf-8-sig") if file.exists() else ""
    after = set_values(before, {f"{table}.{component}": placement for component, placement in wanted.items()})
    if after != before:
        replace_file(file, after, mode=0o644)
    environment = load_environment(start)
    hints = tuple(_DATA[component] for component in wanted if component in _DATA and after != before)
    return PlacementEdit(file, unified_diff(file.name, before, after), _needs(environment), hints)


def _pair(text: str) -> tuple[Component, str]:
    name, separator, placement = text.partition("=")
    component = next((known for known in COMPONENTS if known == name), None)
    if not separator or component is None:
        why = f"should be COMPONENT=PLACEMENT{nearest(name, COMPONENTS)} (components: {', '.join(COMPONENTS)})"
        raise ConfigurationError(f"{text} is no placement", why, "salambot config edit-placement vector=pinecone")
    if placement not in PLACEMENTS[component]:
        why = f"{component} can be {', '.join(PLACEMENTS[component])}{nearest(placement, PLACEMENTS[component])}"
        fix = f"salambot config edit-placement {component}={PLACEMENTS[component][-1]}"
        raise ConfigurationError(f"{text} is no placement", why, fix)
    return component, placement


def _needs(environment: Environment) -> tuple[str, ...]:
    return tuple(missing.name for missing in missing_variables(environment))
