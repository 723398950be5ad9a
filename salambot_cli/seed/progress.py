"""The progress display of a seed: a bar with rate and time left, on a terminal only."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from salambot_cli.terminal.output import Output

Hear = Callable[[dict[str, object]], None]


@contextmanager
def seed_progress(session: Output) -> Iterator[Hear]:
    """Yield what hears the events of a seed: with --json-lines they pass through, on a terminal they move a bar."""
    if session.json_lines:
        yield lambda event: session.event(str(event["event"]), _members(event))
        return
    console = session.people()
    if session.machine or session.quiet or not console.is_terminal:
        yield lambda _event: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress.add_task, progress.update, lambda: progress.tasks[0].speed).hear


class _Bar:
    """One bar: documents read and indexed; beside it how fast, and what happens now."""

    def __init__(
        self, add: Callable[..., object], update: Callable[..., object], speed: Callable[[], float | None]
    ) -> None:
        self._task = add("comparing", total=None, rate="")
        self._update = update
        self._speed = speed

    def hear(self, event: dict[str, object]) -> None:
        """Move the bar by one event of the job."""
        name, members = str(event["event"]), cast("Mapping[str, int]", event)
        if name == "compared":
            self._update(self._task, description="indexing", total=members["to_read"])
        elif name == "indexed":
            speed = self._speed()
            rate = f"{speed:,.0f} documents/s" if speed else ""
            self._update(self._task, completed=members["done"], total=members["total"], rate=rate)
        elif name == "waiting":
            self._update(self._task, description=f"waiting for {event['for']}")
        elif name in {"removed", "swept"}:
            self._update(self._task, description="removing what is gone")
        elif name == "settling":
            self._update(self._task, description="building the index")


def _members(event: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in event.items() if name not in {"event", "schema_version"}}
