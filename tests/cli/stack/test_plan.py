"""The plan of `up` as a table, and its laws: what runs as it is wanted is kept, an undo touches what was changed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.model.plan import Action, Change, Plan, Running, RunningPart, WantedPart
from salambot_cli.stack.plan import inverse, make_plan

SERVICES = ("gateway", "orchestrateur", "nlu", "rag")
NEEDS: Mapping[str, tuple[str, ...]] = {
    "migrate": ("postgres",),
    "gateway": ("redis",),
    "orchestrateur": ("postgres", "redis", "migrate"),
    "rag": ("postgres", "redis", "migrate"),
    "worker": ("postgres", "redis", "migrate"),
}
PEERS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("orchestrateur", "rag", "worker"),
    "orchestrateur": ("nlu", "rag"),
    "worker": ("orchestrateur",),
}
NAMES = ("tunnel", "postgres", "redis", "migrate", *SERVICES, "worker")
LASTING = tuple(name for name in NAMES if name != "migrate")


def wanted_part(name: str, number: int = 0) -> WantedPart:
    return WantedPart(
        name,
        {"program": "p", "variable LEVEL": "info"},
        NEEDS.get(name, ()),
        PEERS.get(name, ()),
        ports={name: 8000 + number},
        follows=("tunnel",) if name == "gateway" else (),
        job=name == "migrate",
    )


WANTED = {name: wanted_part(name, number) for number, name in enumerate(NAMES)}


def as_wanted(part: WantedPart) -> RunningPart:
    return RunningPart(part.name, "ready", part.marks, part.ports, part.group)


RUNNING = Running({name: as_wanted(part) for name, part in WANTED.items()})


def with_part(name: str, **changes: object) -> Running:
    part = replace(RUNNING.parts[name], **changes)  # type: ignore[arg-type] # fields of a part
    return replace(RUNNING, parts={**RUNNING.parts, name: part})


def without(*names: str) -> Running:
    return replace(RUNNING, parts={name: part for name, part in RUNNING.parts.items() if name not in names})


def actions(plan: Plan) -> dict[str, Action]:
    return {change.part: change.action for change in plan.changes if not change.job}


def kept(*changed: str) -> dict[str, Action]:
    return {name: "keep" for name in LASTING if name not in changed}


Case = tuple[str, Running, dict[str, Action], str]
FAULTS: tuple[tuple[str, dict[str, object], str], ...] = (
    ("other variable", {"marks": {"program": "p", "variable LEVEL": "debug"}}, "variable LEVEL changed"),
    ("new variable", {"marks": {"program": "p"}}, "variable LEVEL is new"),
    (
        "variable gone",
        {"marks": {"program": "p", "variable LEVEL": "info", "variable OLD": "x"}},
        "variable OLD is gone",
    ),
    ("other program", {"marks": {"program": "q", "variable LEVEL": "info"}}, "program changed"),
    (
        "other supervision",
        {"marks": {"program": "p", "variable LEVEL": "info", "supervision": "x"}},
        "supervision is gone",
    ),
    ("no marks", {"marks": None}, "earlier release"),
    ("failing", {"state": "failing", "detail": "ended with status 3"}, "it fails: ended with status 3"),
    ("failing without a word", {"state": "failing"}, "it fails"),
    ("silent", {"answers": False}, "it does not answer"),
)


def single_faults() -> Iterator[Case]:
    """One part of a healthy stack differs: it alone is restarted, and what is told of it."""
    for name, (fault, changes, because) in product(LASTING, FAULTS):
        also: dict[str, Action] = {"gateway": "restart"} if name == "tunnel" else {}
        yield f"{name}: {fault}", with_part(name, **changes), {**kept(), name: "restart", **also}, because


def missing_parts() -> Iterator[Case]:
    """Any two parts do not run: they are started, nobody else is touched."""
    for one, two in combinations(LASTING, 2):
        expected: dict[str, Action] = {**kept(), one: "start", two: "start"}
        if "tunnel" in {one, two} and "gateway" not in {one, two}:
            expected["gateway"] = "restart"
        yield f"{one} and {two} missing", without(one, two), expected, "not running"


def stopped_and_starting() -> Iterator[Case]:
    for name in LASTING:
        led: dict[str, Action] = {"gateway": "restart"} if name == "tunnel" else {}
        stopped = with_part(name, state="stopped", detail="its container is exited")
        yield f"{name} stopped", stopped, {**kept(), name: "start", **led}, "its container is exited"
        yield f"{name} starting", with_part(name, state="starting"), {**kept()}, "it is starting"


def moved_ports() -> Iterator[Case]:
    for name in LASTING:
        led: dict[str, Action] = {"gateway": "restart"} if name == "tunnel" else {}
        moved = with_part(name, ports={name: 9999})
        yield (
            f"{name} moved",
            moved,
            {**kept(), name: "restart", **led},
            f"port 9999 becomes {WANTED[name].ports[name]}",
        )


def left_over() -> Iterator[Case]:
    """Something runs that is not part of the environment any more."""
    for name, state in product(("jump.redis", "old", "redis.old"), ("ready", "starting", "failing")):
        more = replace(RUNNING, parts={**RUNNING.parts, name: RunningPart(name, state)})  # type: ignore[arg-type] # states
        yield f"{name} left over, {state}", more, {**kept(), name: "stop"}, "not part of this environment any more"


def double_faults() -> Iterator[Case]:
    """Two parts differ in two ways: each for its own reason."""
    for one, two in combinations([name for name in LASTING if name != "tunnel"], 2):
        for (fault, changes, because), (other, more, _) in zip(FAULTS[::2], FAULTS[1::2], strict=False):
            both = with_part(one, **changes)
            both = replace(both, parts={**both.parts, two: with_part(two, **more).parts[two]})
            yield f"{one}: {fault}, {two}: {other}", both, {**kept(), one: "restart", two: "restart"}, because


CASES = [*single_faults(), *missing_parts(), *stopped_and_starting(), *moved_ports(), *left_over(), *double_faults()]
CASES += [
    ("healthy", RUNNING, kept(), ""),
    ("nothing runs", Running(), dict.fromkeys(LASTING, "start"), "not running"),
    ("earlier release", replace(RUNNING, origin="older"), dict.fromkeys(LASTING, "restart"), "earlier release"),
]


def test_table_of_plans() -> None:
    """One test for the whole table: a case takes microseconds, the set-up of a test does not."""
    assert len(CASES) >= 200
    assert len({name for name, *_ in CASES}) == len(CASES)
    for name, running, expected, because in CASES:
        plan = make_plan(WANTED, running)
        assert actions(plan) == expected, name
        assert because in "; ".join(change.because for change in plan.changes), name
        assert plan.of("migrate") == Change("migrate", "start", "a job that each start runs", job=True), name
        undone = inverse(plan, {change.part for change in plan.changes})
        changed = {part for part, action in expected.items() if action != "keep"}
        assert {change.part for change in undone.changes} == changed, name


ONLY = [
    (("nlu",), {"nlu"}),
    (("rag",), {"rag", "postgres", "redis", "migrate"}),
    (("orchestrateur",), {"orchestrateur", "nlu", "rag", "postgres", "redis", "migrate"}),
    (("gateway",), {*NAMES} - {"tunnel"}),
    (("nlu", "rag"), {"nlu", "rag", "postgres", "redis", "migrate"}),
    (("worker",), {"worker", "orchestrateur", "nlu", "rag", "postgres", "redis", "migrate"}),
]


@pytest.mark.parametrize(("only", "concerned"), ONLY)
@pytest.mark.parametrize("running", [Running(), RUNNING, without("nlu", "redis")])
def test_only_what_was_asked_for_and_what_it_rests_on(
    only: tuple[str, ...], concerned: set[str], running: Running
) -> None:
    extra = replace(running, parts={**running.parts, "old": RunningPart("old")})
    assert {change.part for change in make_plan(WANTED, extra, only).changes} == concerned


GROUPS = [
    (("gateway", "rag"), (), {"gateway", "rag"}),
    ((), ("gateway", "rag"), {"gateway", "rag"}),
    (("gateway", "rag", "nlu"), ("gateway", "rag"), {"gateway", "rag", "nlu"}),
    (("gateway", "rag"), ("gateway", "rag"), set[str]()),
]


@pytest.mark.parametrize(("after", "before", "restarted"), GROUPS)
def test_parts_of_one_process_share_their_fate(
    after: tuple[str, ...], before: tuple[str, ...], restarted: set[str]
) -> None:
    wanted = {n: replace(part, group=after if n in after else ()) for n, part in WANTED.items()}
    parts = {n: replace(part, group=before if n in before else ()) for n, part in RUNNING.parts.items()}
    plan = make_plan(wanted, Running(parts))
    assert {change.part for change in plan.changes if change.action == "restart"} == restarted
    if before:
        asked = {change.part for change in make_plan(wanted, Running(parts), before[-1:]).changes}
        assert {*before} <= asked, "a process is never split behind the back of one of its parts"


def test_one_changed_part_restarts_the_process_of_all() -> None:
    group = ("gateway", "rag")
    wanted = {n: replace(part, group=group if n in group else ()) for n, part in WANTED.items()}
    wanted["rag"] = replace(wanted["rag"], marks={"program": "other"})
    parts = {n: replace(part, group=group if n in group else ()) for n, part in RUNNING.parts.items()}
    plan = make_plan(wanted, Running(parts))
    assert {change.part for change in plan.changes if change.action == "restart"} == {*group}
    assert "shares the process of rag" in plan.of("gateway").because  # type: ignore[union-attr] # it is in the plan


def test_reasons_are_few_and_the_rest_is_counted() -> None:
    marks = {f"variable V{number}": "x" for number in range(9)}
    plan = make_plan({"nlu": replace(WANTED["nlu"], marks=marks)}, Running({"nlu": RunningPart("nlu", marks={})}))
    assert plan.changes[0].because == "variable V0 is new, variable V1 is new, variable V2 is new and 6 more"


def test_a_takeover_cannot_be_undone_and_says_so() -> None:
    plan = make_plan(WANTED, replace(RUNNING, origin="older"), ("nlu",))
    assert plan.takes_over
    assert {change.part for change in plan.changes} == {*NAMES}, "the supervisor goes, so everything moves"
    back = inverse(plan, {"nlu", "rag"})
    assert {(change.part, change.action) for change in back.changes} == {("nlu", "keep"), ("rag", "keep")}
    assert all("cannot go back" in change.because for change in back.changes)


MARKS = st.dictionaries(st.sampled_from(["program", "variable A", "variable B", "port"]), st.sampled_from("xyz"))
PARTS = st.builds(
    RunningPart,
    st.sampled_from(NAMES),
    st.sampled_from(["ready", "starting", "failing", "stopped"]),
    st.none() | MARKS,
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, 65535), max_size=2),
    answers=st.booleans(),
)
STACKS = st.builds(
    Running,
    st.lists(PARTS).map(lambda parts: {part.name: part for part in parts}),
    st.sampled_from(["ours", "older"]),
)
WISHES = st.dictionaries(st.sampled_from(NAMES), MARKS).map(
    lambda marks: {name: replace(WANTED[name], marks=held) for name, held in marks.items()}
)


@given(WISHES, STACKS)
def test_each_part_has_exactly_one_change_and_every_change_but_keep_has_a_reason(
    wanted: dict[str, WantedPart], running: Running
) -> None:
    plan = make_plan(wanted, running)
    parts = [change.part for change in plan.changes]
    assert sorted(parts) == sorted({*wanted, *running.parts})
    assert all(change.because for change in plan.changes if change.action != "keep")
    assert {change.part for change in plan.changes if change.action == "stop"} == {*running.parts} - {*wanted}


@given(WISHES, STACKS, st.sets(st.sampled_from(NAMES)))
def test_an_undo_touches_what_was_attempted_and_nothing_that_was_kept(
    wanted: dict[str, WantedPart], running: Running, attempted: set[str]
) -> None:
    plan = make_plan(wanted, running)
    back = inverse(plan, attempted)
    changed = {change.part for change in plan.changes if change.action != "keep"}
    assert {change.part for change in back.changes} <= attempted & changed
    order = [change.part for change in plan.changes if plan.of(change.part)]
    assert [change.part for change in back.changes] == [part for part in order[::-1] if back.of(part)]
    runs = {name for name, part in running.parts.items() if part.state != "stopped"}
    assert not {change.part for change in back.changes if change.action == "stop"} & runs, "what ran is not stopped"


@given(WISHES)
def test_a_stack_as_it_is_wanted_is_left_alone(wanted: dict[str, WantedPart]) -> None:
    running = Running({name: as_wanted(part) for name, part in wanted.items()})
    assert make_plan(wanted, running).pending == ()


@given(WISHES, STACKS)
def test_what_a_plan_leads_to_needs_no_further_change(wanted: dict[str, WantedPart], running: Running) -> None:
    plan = make_plan(wanted, running)
    after = {c.part: as_wanted(wanted[c.part]) for c in plan.changes if c.action in {"start", "restart"}}
    after |= {c.part: running.parts[c.part] for c in plan.changes if c.action == "keep"}
    assert make_plan(wanted, Running(after)).pending == ()


@given(WISHES, STACKS, st.sets(st.sampled_from(NAMES), min_size=1))
def test_a_part_of_a_stack_is_planned_like_the_whole(
    wanted: dict[str, WantedPart], running: Running, only: set[str]
) -> None:
    whole = {change.part: change.action for change in make_plan(wanted, running).changes}
    part = {change.part: change.action for change in make_plan(wanted, running, only).changes}
    assert {name: action for name, action in part.items() if whole[name] != action} in (
        {},
        {"gateway": "keep"},  # the tunnel was not asked for, so that the gateway is not told of another
    )
