"""Read a topology off variables, such as those of the `.env` that was used before there was this command."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from salambot_cli.components import REGISTRY
from salambot_cli.model.topology import COMPONENTS, LOCAL, Component, TopologyName, preset

_COMBINATIONS: tuple[tuple[TopologyName, ...], ...] = (
    ("local",), ("t1",), ("t2",), ("t3",), ("t1", "t3"), ("t2", "t3"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TopologyGuess:
    """Presets, the single placements that differ from them, and what each was read off."""

    presets: tuple[TopologyName, ...]
    overrides: Mapping[Component, str]
    reasons: Mapping[Component, str]


def guess_topology(variables: Mapping[str, str]) -> TopologyGuess:
    """Propose the presets with the fewest overrides that place every component as the variables do."""
    found = _placed(variables)
    wanted = {**LOCAL, **{component: placement for component, (placement, _) in found.items()}}
    candidates = [(combination, _overrides(combination, wanted)) for combination in _COMBINATIONS]
    presets, overrides = min(candidates, key=lambda candidate: (len(candidate[1]), len(candidate[0])))
    return TopologyGuess(presets, overrides, {component: reason for component, (_, reason) in found.items()})


def _overrides(presets: tuple[TopologyName, ...], wanted: Mapping[Component, str]) -> dict[Component, str]:
    placed = preset(presets)
    return {component: wanted[component] for component in COMPONENTS if placed[component] != wanted[component]}


def _placed(variables: Mapping[str, str]) -> dict[Component, tuple[str, str]]:
    """Return component -> (placement, the variable that says so)."""
    shown = {  # of those that one variable shows, the later one is the more specific
        (placement.component, placement.recognized_by): placement
        for placement in REGISTRY
        if placement.recognized(variables.get(placement.recognized_by, ""))
    }
    return {component: (placement.name, name) for (component, name), placement in reversed(shown.items())}


def tenant_name(text: str) -> str:
    """Return a tenant's name made of any text: lower-case letters, digits and dashes; `demo` where none is left."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(sign))
    kept = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in bare)
    words = chain.from_iterable(part.split() for part in kept.split("-"))
    return "-".join(words)[:63].strip("-") or "demo"
