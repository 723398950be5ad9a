"""The current service in a process that hosts several (`python -m salambot.http.server A B`)."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("service", default="")
_ended: dict[str, asyncio.Event] = {}


def current_service(otherwise: str) -> str:
    """Return the service that the current task works for, or `otherwise` outside of one."""
    return _current.get() or otherwise


def set_current_service(service: str) -> None:
    """Set the service that this task and its children work for."""
    _current.set(service)


@contextmanager
def service_scope(service: str) -> Iterator[None]:
    """Set the current service for a block, for calls to another service of this process."""
    token = _current.set(service)
    try:
        yield
    finally:
        _current.reset(token)


def register_services(services: Sequence[str]) -> None:
    """Register the services of this process, callers before callees, before any of them is built."""
    _ended.update({service: asyncio.Event() for service in services})


def hosted_services() -> tuple[str, ...]:
    """Return the services of this process; empty if it hosts none."""
    return tuple(_ended)


def mark_stopped(service: str) -> None:
    """Record that a service has stopped calling others."""
    if service in _ended:
        _ended[service].set()


async def wait_for_dependents(service: str) -> None:
    """Wait until every service of this process that may call this one has stopped."""
    if service in _ended:
        for before in hosted_services()[: hosted_services().index(service)]:
            await _ended[before].wait()
