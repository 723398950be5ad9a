"""Which documents should be in the index: those that a source lists, or all that stand under the tenant."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from salambot.objects import Objects, StoredObject

SAMPLE = "sample"
"""The label of the sample knowledge base: a placeholder that gives way to the first documents of the owner."""
UNLABELLED = "objects"
"""The label of documents that no source lists: somebody put them there."""
_MISSING = "not in the object store"
_HOSTILE = "a path with characters that do not show, a backslash, or no plain way from its folder"
_NO_BREAK = "\u00a0\u202f"
"""Spaces that French typography puts before ? and !: they are no mischief in a name."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Documents to index, by path, each with its label; and the labels whose other documents are to go."""

    documents: Mapping[str, tuple[StoredObject, str]]
    refused: Mapping[str, str]
    """Paths that are not to be looked at, as they can be shown, each with its reason."""


class UnknownSource(Exception):  # noqa: N818 - it says what is unknown
    """There is no `.sources/<label>.json` for the label asked for, or it cannot be read."""


async def wanted(objects: Objects, label: str | None) -> Wanted:
    """Look at the source `label` only, or at everything under the tenant. Raises UnknownSource, ObjectsUnavailable."""
    listed = await _labels(objects)
    if label is not None and label not in listed:
        raise UnknownSource(f"no source is called {label!r} in the object store")
    own = {path: name for name, paths in sorted(listed.items(), key=_sample_first) for path in paths}
    placeholder = label is None and len(listed) > 1
    found: dict[str, tuple[StoredObject, str]] = {}
    hostile = {path for path, name in own.items() if is_hostile(path) and label in {None, name}}
    for item in await objects.documents():
        name = own.get(item.path, UNLABELLED)
        if (label is not None and item.path not in listed[label]) or (placeholder and name == SAMPLE):
            continue
        if is_hostile(item.path):
            hostile.add(item.path)
        else:
            found[item.path] = (item, label or name)
    missing = listed[label] - found.keys() - hostile if label is not None else set()
    refused = dict.fromkeys(map(_shown, hostile), _HOSTILE) | dict.fromkeys(missing, _MISSING)
    return Wanted(found, dict(sorted(refused.items())))


def is_hostile(path: str) -> bool:
    """Tell whether a relative path tries to leave its folder, or to upset a terminal."""
    odd = path.startswith("/") or {"..", ".", ""} & set(path.split("/")) or "\\" in path or len(path) > 1024
    return bool(odd) or not all(letter.isprintable() or letter in _NO_BREAK for letter in path)


def _shown(path: str) -> str:
    return path if path.isprintable() else ascii(path)[1:-1]


def _sample_first(item: tuple[str, frozenset[str]]) -> tuple[bool, str]:
    return item[0] != SAMPLE, item[0]


async def _labels(objects: Objects) -> dict[str, frozenset[str]]:
    labels = {}
    for content in await objects.sources():
        try:
            source = orjson.loads(content)
            labels[str(source["label"])] = frozenset(str(path) for path in source["keys"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise UnknownSource(
                "a file of .sources/ in the object store cannot be read: seed that source again"
            ) from error
    return labels
