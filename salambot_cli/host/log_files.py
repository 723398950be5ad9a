"""The log files of a stack: one a part, each line after its UTC time, merged for reading."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

_POLL_SECONDS = 0.2
_TAIL_BYTES = 512 * 1024
T = TypeVar("T")
Line = tuple[str, str, str]
"""Time (UTC, ISO 8601), source, text."""


async def merge_by_time(
    folder: Path, sources: tuple[str, ...], *, since: str | None, follow: bool
) -> AsyncIterator[Line]:
    """Yield lines of the named parts (all of them when none is named) in the order of their times."""
    files = _files(folder, sources)
    positions: dict[Path, int] = {}
    for line in heapq.merge(*(_read(path, source, positions) for source, path in files)):
        if since is None or line[0] >= since:
            yield line
    while follow:
        fresh = sorted(line for source, path in _files(folder, sources) for line in _read(path, source, positions))
        for line in fresh:
            yield line
        if not fresh:
            await asyncio.sleep(_POLL_SECONDS)


def tail(path: Path, count: int) -> list[str]:
    """Return the last lines of a log file; none where there is no file. At most half a MiB is read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []


async def merge_streams(streams: Iterable[AsyncIterator[T]]) -> AsyncIterator[T]:
    """Yield items of several streams as they arrive, until all have ended."""
    waiting = {_next(stream): stream for stream in streams}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                stream, found = waiting.pop(task), task.result()
                if found is not None:
                    waiting[_next(stream)] = stream
                    yield found
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _next(stream: AsyncIterator[T]) -> "asyncio.Task[T | None]":
    async def wait() -> T | None:
        return await anext(stream, None)

    return asyncio.create_task(wait())


def _files(folder: Path, sources: tuple[str, ...]) -> list[tuple[str, Path]]:
    names = sources or tuple(sorted(path.stem for path in folder.glob("*.log") if path.stem != "supervisor"))
    return [(name, folder / f"{name}.log") for name in names if (folder / f"{name}.log").is_file()]


def _read(path: Path, source: str, positions: dict[Path, int]) -> Iterator[Line]:
    """Yield lines added since the last read; a rotated file is read from its start."""
    with path.open("rb") as file:
        start = positions.get(path, 0)
        file.seek(start if start <= path.stat().st_size else 0)
        for raw in file:
            if not raw.endswith(b"\n"):
                break  # still being written
            positions[path] = file.tell() if not file.closed else start
            time, _, text = raw.decode(errors="replace").rstrip("\n").partition(" ")
            yield time, source, text
