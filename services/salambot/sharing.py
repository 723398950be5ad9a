"""Which service of this process something happens for: a process may hold several (`python -m salambot.serve A B`)."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("service", default="")
_ended: dict[str, asyncio.Event] = {}


def current(otherwise: str) -> str:
    """Return the service that the running task works for, `otherwise` where none was named."""
    return _current.get() or otherwise


def enter(service: str) -> None:
    """Name the service that this task, and what it starts, works for."""
    _current.set(service)


@contextmanager
def working_for(service: str) -> Iterator[None]:
    """Name it for a block: another service of this process is asked in the middle of a task."""
    token = _current.set(service)
    try:
        yield
    finally:
        _current.reset(token)


def share(services: Sequence[str]) -> None:
    """Note which services this process holds, who asks before who is asked; before any of them is built."""
    _ended.update({service: asyncio.Event() for service in services})


def services() -> tuple[str, ...]:
    """Return them; none where this process is not of services."""
    return tuple(_ended)


def note_end(service: str) -> None:
    """Note that a service asks no other any more."""
    if service in _ended:
        _ended[service].set()


async def until_nobody_asks(service: str) -> None:
    """Wait until those services of this process have ended that may ask this one."""
    if service in _ended:
        for before in services()[: services().index(service)]:
            await _ended[before].wait()
