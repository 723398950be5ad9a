"""Change single values of `salambot.toml` and leave its comments, its order and its spacing as they are."""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tomlkit.items import Table


def set_values(text: str, values: Mapping[str, object]) -> str:
    """Return the text with these dotted keys set; None takes a key out."""
    import tomlkit

    document = tomlkit.parse(text)
    for dotted, value in values.items():
        *parents, leaf = dotted.split(".")
        table: tomlkit.TOMLDocument | Table = document
        for parent in parents:
            if parent not in table:
                table[parent] = tomlkit.table()
            table = table[parent]
        if value is None:
            table.pop(leaf, None)
        else:
            table[leaf] = value
    return tomlkit.dumps(document)


def unified_diff(name: str, before: str, after: str) -> str:
    """Return what changes, as a unified diff."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{name} (before)", f"{name} (after)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
