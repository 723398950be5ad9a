"""Variables that hold what nobody sees: invisible characters, spaces and quotes around a pasted value."""

from collections.abc import Iterator
from dataclasses import dataclass

from salambot_cli.components.variables import is_secret
from salambot_cli.model.environment import Environment, Variable
from salambot_contracts.pasted_text import PastedCharacter, clean, find_pasted

_TEXTS = ("_JWKS", "_HEADERS", "_ATTRIBUTES")
"""Ends of the names of variables that hold JSON or lists, in which line ends and tabs are white space."""
_QUOTES = ('""', "''", "``", "“”", "‘’", "«»", "„“")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class PastedValue:
    """A variable whose value holds what was pasted with it."""

    variable: Variable
    reasons: tuple[str, ...]
    """The odd characters and their positions, without the value."""
    clean: str
    """The value without it."""

    @property
    def remedy(self) -> str:
        """Return what to do: a plain value is offered clean, a secret is never shown."""
        name, layer = self.variable.name, self.variable.layer
        if not is_secret(name):
            return f"{name}={self.clean}"
        if layer == "environment":
            return f'export {name}="$(printf %s "${name}" | LC_ALL=C tr -cd \'[:graph:]\')"'
        if layer == "secrets manager":
            return f"salambot secrets push {name}, typed again without it"
        return f"type the value of {name} again in {layer}, without it"


def pasted_values(environment: Environment) -> Iterator[PastedValue]:
    """Yield each variable that cannot be meant as it is."""
    for name in sorted(environment.variables):
        variable = environment.variables[name]
        text = variable.reveal()
        found = [one for one in find_pasted(text) if not _is_white_space_of(name, one)]
        bare = clean(text)
        quoted = len(bare) > 1 and bare[0] + bare[-1] in _QUOTES and not name.endswith(_TEXTS)
        if found or quoted:
            reasons = [str(one) for one in found[:_SHOWN]]
            reasons += [f"{len(found) - _SHOWN} more of them"] if len(found) > _SHOWN else []
            reasons += ["quotes around the value"] if quoted else []
            yield PastedValue(variable, tuple(reasons), clean(bare[1:-1]) if quoted else bare)


def _is_white_space_of(name: str, found: PastedCharacter) -> bool:
    return name.endswith(_TEXTS) and found.character in "\n\r\t "
