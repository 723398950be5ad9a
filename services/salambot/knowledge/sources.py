"""Document selection: the documents of a source, or all documents of the tenant."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from salambot.knowledge.objects import Objects, StoredObject

SAMPLE = "sample"
"""The label of the sample knowledge base: a placeholder that gives way to the first documents of the owner."""
DEFAULT_SOURCE = "objects"
"""The label of documents that no source lists: somebody put them there."""
_MISSING = "not in the object store"
_HOSTILE = "a path with characters that do not show, a backslash, or no plain way from its folder"
_NO_BREAK = "\u00a0\u202f"
"""Spaces that French typography puts before ? and !: they are no mischief in a name."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Documents to index, by path, each with its label; and the labels whose other documents are to go."""

    documents: Mapping[str, tuple[StoredObject, str]]
    refused: Mapping[str, str]
    """Paths that are not to be looked at, as they can be shown, each with its reason."""


class UnknownSourceError(Exception):
    """There is no `.sources/<label>.json` for the label asked for, or it cannot be read."""


async def select_documents(objects: Objects, label: str | None) -> Selection:
    """Select a source's documents, or all. Raises UnknownSourceError, ObjectsUnavailableError."""
    listed = await _labels(objects)
    if label is not None and label not in listed:
        raise UnknownSourceError(f"no source is called {label!r} in the object store")
    own = {path: name for name, paths in sorted(listed.items(), key=_sample_first) for path in paths}
    placeholder = label is None and len(listed) > 1
    found: dict[str, tuple[StoredObject, str]] = {}
    hostile = {path for path, name in own.items() if is_unsafe_path(path) and label in {None, name}}
    for item in await objects.documents():
        name = own.get(item.path, DEFAULT_SOURCE)
        if (label is not None and item.path not in listed[label]) or (placeholder and name == SAMPLE):
            continue
        if is_unsafe_path(item.path):
            hostile.add(item.path)
        else:
            found[item.path] = (item, label or name)
    missing = listed[label] - found.keys() - hostile if label is not None else set()
    refused = dict.fromkeys(map(_shown, hostile), _HOSTILE) | dict.fromkeys(missing, _MISSING)
    return Selection(found, dict(sorted(refused.items())))


def is_unsafe_path(path: str) -> bool:
    """Return whether a relative path tries to leave its folder, or to upset a terminal."""
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
            raise UnknownSourceError(
                "a file of .sources/ in the object store cannot be read: seed that source again"
            ) from error
    return labels
