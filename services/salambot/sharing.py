"""Which service of this process something happens for: a process may hold several (`python -m salambot.serve A B`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("service", default="")
_together: set[str] = set()


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


def share(services: tuple[str, ...]) -> None:
    """Note which services this process holds, before any of them is built."""
    _together.update(services)


def neighbours_of(service: str) -> frozenset[str]:
    """Return the other services of this process."""
    return frozenset(_together - {service})
