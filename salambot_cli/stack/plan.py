"""Compare what is wanted with what runs. Pure: the same two values give the same plan, and its inverse undoes it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from salambot_cli.model.plan import Change, Plan, Running, RunningPart, WantedPart

EARLIER_RELEASE = "started by an earlier release of SalamBot"
_MAX_REASONS = 3
_VAGUE = frozenset({"port", "container", "supervision"})
"""Marks that say little; they are named where nothing else differs."""


def make_plan(wanted: Mapping[str, WantedPart], running: Running, only: Collection[str] = ()) -> Plan:
    """Return one change for each part: of all of them, or with `only` of those and what they rest on.

    Args:
        wanted: the parts of the environment, by name, in the order in which they are shown.
        running: what runs.
        only: names of parts; nothing else is started or stopped.
    """
    takes_over = running.origin == "older"
    selected = _selected(wanted, running, only if only and not takes_over else wanted)
    changes = {name: _change(wanted[name], running, takes_over=takes_over) for name in wanted if name in selected}
    changes = _with_groups(wanted, running, _with_followers(wanted, changes))
    if not only or takes_over:
        gone = (name for name in running.parts if name not in wanted)
        changes |= {name: Change(name, "stop", "not part of this environment any more") for name in gone}
    return Plan(tuple(changes.values()), takes_over)


def inverse(plan: Plan, attempted: Collection[str]) -> Plan:
    """Return what undoes the attempted part of a plan, last change first. What was kept is not in it."""
    return Plan(
        tuple(
            back
            for change in reversed(plan.changes)
            if change.part in attempted and (back := _back(change)) is not None
        )
    )


def _back(change: Change) -> Change | None:
    if change.action == "keep" or change.job:
        return None
    if change.action == "start":
        return Change(change.part, "stop", "this run started it")
    if not change.reversible:
        return Change(change.part, "keep", f"it cannot go back: {change.because}", reversible=False)
    return Change(change.part, "restart" if change.action == "restart" else "start", "back to what it was")


def _selected(wanted: Mapping[str, WantedPart], running: Running, names: Collection[str]) -> set[str]:
    """Return parts with all that they need, work with or share a process with, as it is wanted or as it runs."""
    selected: set[str] = set()
    open_names = [*names]
    while open_names:
        name = open_names.pop()
        if name not in selected and (part := wanted.get(name)) is not None:
            selected.add(name)
            runs = running.parts.get(name)
            open_names += [*part.needs, *part.peers, *part.group, *(runs.group if runs else ())]
    return selected


def _change(part: WantedPart, running: Running, *, takes_over: bool) -> Change:
    runs = running.parts.get(part.name)
    if part.job:
        return Change(part.name, "start", "a job that each start runs", job=True)
    if runs is None or runs.state == "stopped":
        return Change(part.name, "start", runs.detail or "not running" if runs else "not running")
    if takes_over:
        return Change(part.name, "restart", EARLIER_RELEASE, reversible=False)
    reasons = [*_differences(part, runs)]
    if reasons:
        shown = ", ".join(reasons[:_MAX_REASONS])
        more = len(reasons) - _MAX_REASONS
        return Change(part.name, "restart", f"{shown} and {more} more" if more > 0 else shown)
    if runs.state == "failing":
        return Change(part.name, "restart", f"it fails: {runs.detail}" if runs.detail else "it fails")
    if not runs.answers:
        return Change(part.name, "restart", "it does not answer")
    return Change(part.name, "keep", "" if runs.state == "ready" else "it is starting")


def _differences(part: WantedPart, runs: RunningPart) -> Iterator[str]:
    """Say what differs, in the order in which people care: where, what, with which settings."""
    if runs.marks is None:
        yield EARLIER_RELEASE
        return
    moved = {runs.ports[name]: port for name, port in part.ports.items() if runs.ports.get(name, port) != port}
    for before, after in moved.items():
        yield f"port {before} becomes {after}"
    if {*part.group} != {*runs.group}:
        yield "it shares a process with others than before"
    changed = [name for name in {**part.marks, **runs.marks} if part.marks.get(name) != runs.marks.get(name)]
    clear = [name for name in changed if name not in _VAGUE]
    for name in clear or ([] if moved else changed):
        yield f"{name} {_how(runs.marks.get(name), part.marks.get(name))}"


def _how(before: str | None, after: str | None) -> str:
    return "is new" if before is None else "is gone" if after is None else "changed"


def _with_groups(
    wanted: Mapping[str, WantedPart], running: Running, changes: Mapping[str, Change]
) -> dict[str, Change]:
    """Let what shares a process share its fate: a process is kept as a whole or not at all."""
    done = dict(changes)
    for name, change in changes.items():
        runs = running.parts.get(name)
        together = {*wanted[name].group, *(runs.group if runs else ())} - {name}
        moved = [other for other in together if other in changes and changes[other].action in {"start", "restart"}]
        if change.action == "keep" and moved:
            done[name] = replace(change, action="restart", because=f"it shares the process of {min(moved)}")
    return done


def _with_followers(wanted: Mapping[str, WantedPart], changes: Mapping[str, Change]) -> dict[str, Change]:
    done = dict(changes)
    for name, change in changes.items():
        led = [one for one in wanted[name].follows if one in changes and changes[one].action in {"start", "restart"}]
        if change.action == "keep" and led:
            done[name] = replace(change, action="restart", because=f"it is told of the new {led[0]}")
    return done
