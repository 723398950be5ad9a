"""The dependency graph: what runs, what waits, what is a root, and that one broken check stops no other."""

import asyncio
import graphlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.components import PLACEMENTS
from salambot_cli.config.load import load_environment
from salambot_cli.doctor import PROBES
from salambot_cli.doctor.catalogue import CATALOGUE, find_entry
from salambot_cli.doctor.deadline import Deadline
from salambot_cli.doctor.graph import in_order, root_causes, run_probes
from salambot_cli.doctor.merge_causes import merge_shared_causes
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok, unknown
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Finding, Severity
from salambot_cli.model.topology import COMPONENTS

Run = Callable[[ProbeContext], Awaitable[Finding]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return load_environment(tmp_path_factory.mktemp("project"), environ={})


def says(finding: Finding) -> Run:
    async def run(_: ProbeContext) -> Finding:
        return finding

    return run


def passes(name: str, *needs: str) -> Probe:
    return Probe(name, "group", name, says(ok(name, "well")), (), needs)


def fails(name: str, finding_id: str, *needs: str, **more: bool) -> Probe:
    return Probe(name, "group", name, says(fault(finding_id, name, "broken", {})), (finding_id,), needs, **more)


async def outcomes(environment: Environment, *probes: Probe, lenient: frozenset[str] = frozenset()) -> list[Finding]:
    examination = ProbeContext(environment)
    return [f async for o in run_probes(probes, examination, lenient=lenient) for f in o.findings]


async def test_a_consequence_is_skipped_and_names_its_root(environment: Environment) -> None:
    findings = await outcomes(environment, fails("a", "net.dns"), passes("b", "a"), passes("c", "b"), passes("d"))

    assert [(f.status, f.caused_by) for f in findings] == [
        ("fail", None),
        ("skipped", "net.dns"),
        ("skipped", "net.dns"),
        ("ok", None),
    ]


async def test_independent_failures_are_all_roots(environment: Environment) -> None:
    findings = await outcomes(
        environment, fails("a", "rds.wrong-db"), fails("b", "aws.no-credentials"), passes("c", "b")
    )

    assert root_causes(findings) == ("aws.no-credentials", "rds.wrong-db")


async def test_what_blocks_more_comes_first_among_equals(environment: Environment) -> None:
    findings = await outcomes(
        environment, fails("a", "rds.wrong-db"), fails("b", "redis.tls-mismatch"), passes("c", "b"), passes("d", "b")
    )

    assert root_causes(findings) == ("redis.tls-mismatch", "rds.wrong-db")


async def test_security_explains_nothing_and_stands_last(environment: Environment) -> None:
    security = fails("s", "sec.open-world", competes=False)
    findings = await outcomes(environment, security, passes("t", "s"), fails("a", "openai.quota"))

    assert findings[1].status == "ok"
    assert root_causes(findings, frozenset({"s"})) == ("openai.quota", "sec.open-world")


async def test_an_ignored_failure_blocks_nothing(environment: Environment) -> None:
    findings = await outcomes(environment, fails("a", "net.dns"), passes("b", "a"), lenient=frozenset({"net.dns"}))

    assert findings[1].status == "ok"


async def test_a_crash_is_reported_by_its_type_and_stops_no_other(environment: Environment) -> None:
    async def crash(_: ProbeContext) -> Finding:
        raise ZeroDivisionError

    probe = Probe("bad", "group", "bad", crash, ())
    findings = await outcomes(environment, probe, passes("good"), passes("child", "bad"))

    assert (findings[0].id, findings[0].status) == ("doctor.probe-crashed", "fail")
    assert "ZeroDivisionError" in findings[0].title
    assert [(f.status, f.caused_by) for f in findings[1:]] == [("ok", None), ("skipped", "doctor.probe-crashed")]


async def test_a_crash_among_hints_does_not_fail_the_run(environment: Environment) -> None:
    async def crash(_: ProbeContext) -> Finding:
        raise ZeroDivisionError

    findings = await outcomes(environment, Probe("bad", "group", "bad", crash, (), competes=False))

    assert [f.status for f in findings] == ["unknown"]


async def test_what_was_not_seen_blocks_who_needs_it_and_not_who_only_comes_later(environment: Environment) -> None:
    blind = Probe("a", "group", "a", says(unknown("a", "denied")), ())
    later = Probe("c", "group", "c", says(ok("c", "well")), (), after=("a",))
    findings = await outcomes(environment, blind, passes("b", "a"), later)

    assert [(f.status, f.caused_by) for f in findings] == [("unknown", None), ("skipped", "a"), ("ok", None)]


async def test_a_shared_cause_blocks_only_what_it_explains(environment: Environment) -> None:
    async def shared(exam: ProbeContext) -> Finding:
        exam.condemn("b", "net.proxy")
        return fault("net.proxy", "a", "the proxy hangs", {})

    probe = Probe("a", "group", "a", shared, ("net.proxy",))
    findings = await outcomes(environment, probe, passes("b", "a"), passes("c", "a"))

    assert [(f.status, f.caused_by) for f in findings] == [("fail", None), ("skipped", "net.proxy"), ("ok", None)]


async def test_a_reader_waits_for_the_origin_of_its_variable(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-1\n", "REDIS_URL": "rediss://:x@cache.example:6379/0"}
    placed = load_environment(tmp_path, {"topology": ["t1"]}, environ=environ)
    model = Probe("m", "group", "m", says(ok("m", "well")), (), reads=("OPENAI_API_KEY",))
    cache = Probe("r", "group", "r", says(ok("r", "well")), (), reads=("REDIS_URL",))
    database = Probe("d", "group", "d", says(ok("d", "well")), (), reads=("POSTGRES_URL",))
    origins = [probe for probe in PROBES if probe.id in {"config.parse", "config.values", "local.env"}]

    found = {f.check: f.caused_by for f in await outcomes(placed, *origins, model, cache, database)}

    assert (found["m"], found["r"], found["d"]) == ("config.invalid", None, "local.env-missing")


async def test_a_hang_ends_at_the_probes_own_limit(environment: Environment) -> None:
    async def hang(_: ProbeContext) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    probe = Probe("slow", "group", "slow", hang, (), seconds=0.01)
    findings = await outcomes(environment, probe, passes("good"))

    assert [f.id for f in findings] == ["doctor.probe-timeout", "good"]


async def test_probes_run_at_once(environment: Environment) -> None:
    meeting = asyncio.Barrier(5)

    async def meet(_: ProbeContext) -> Finding:
        await meeting.wait()
        return ok("x", "met")

    findings = await outcomes(environment, *(Probe(f"p{n}", "group", "", meet, (), seconds=5) for n in range(5)))

    assert [f.status for f in findings] == ["ok"] * 5


async def test_a_fact_is_gathered_once_and_survives_who_gave_up(environment: Environment) -> None:
    asked: list[int] = []
    release = asyncio.Event()

    async def gather() -> str:
        asked.append(1)
        await release.wait()
        return "fact"

    async def wait(examination: ProbeContext) -> Finding:
        return ok("x", await examination.once("fact", gather))

    impatient = Probe("impatient", "group", "", wait, (), seconds=0.01)

    async def later(examination: ProbeContext) -> Finding:
        release.set()
        return await wait(examination)

    findings = await outcomes(environment, impatient, Probe("patient", "group", "", later, (), after=("impatient",)))

    assert [f.title for f in findings][1] == "fact"
    assert asked == [1]


@given(st.data())
def test_every_placement_gives_a_graph_without_a_cycle_and_without_a_hole(
    environment: Environment, data: st.DataObject
) -> None:
    placements = {c: data.draw(st.sampled_from(PLACEMENTS[c])) for c in COMPONENTS}
    changed = replace(environment, placements=placements)
    applicable = [probe for probe in PROBES if probe.applies(changed)]

    ordered = [probe.id for probe in in_order(applicable, changed)]

    known = {probe.id for probe in PROBES}
    for probe in applicable:
        needed = set(probe.needed(changed))
        assert needed <= known
        assert all(ordered.index(n) < ordered.index(probe.id) for n in needed if n in ordered)


def test_a_cycle_is_refused(environment: Environment) -> None:
    with pytest.raises(graphlib.CycleError):
        in_order([passes("a", "b"), passes("b", "a")], environment)


def test_every_finding_of_every_probe_has_an_entry() -> None:
    assert {name for probe in PROBES for name in probe.finds} <= set(CATALOGUE)
    assert len({probe.id for probe in PROBES}) == len(PROBES)


def test_a_finer_id_belongs_to_the_entry_it_starts_with() -> None:
    assert find_entry("net.tls-untrusted.expired").id == "net.tls-untrusted"
    with pytest.raises(KeyError):
        find_entry("net")


def _broken(check: str, host: str, name: str = "net.dns", severity: Severity = "critical") -> Finding:
    return Finding(name, check, "fail", "broken", {"host": host, "port": 1}, severity=severity)


def test_two_resources_that_fail_alike_share_one_cause() -> None:
    first, second = merge_shared_causes([_broken("rds.dns", "a"), _broken("redis.dns", "b")])

    assert first.evidence["resources"] == ["a:1", "b:1"]
    assert (second.status, second.caused_by) == ("skipped", "net.dns")


def test_one_host_asked_twice_is_no_shared_cause() -> None:
    assert [f.status for f in merge_shared_causes([_broken("rds.dns", "a"), _broken("redis.dns", "a")])] == [
        "fail",
        "fail",
    ]


async def test_a_limit_waits_for_a_process_that_is_late() -> None:
    deadline = Deadline(seconds=5)

    async with deadline.running(), deadline.within(0.4):
        await asyncio.sleep(0)
        time.sleep(0.8)  # noqa: ASYNC251 - the machine is busy: the loop stands still
        await asyncio.sleep(0.01)


async def test_the_end_of_the_run_limits_every_probe() -> None:
    deadline = Deadline(seconds=0.2)

    with pytest.raises(TimeoutError):
        async with deadline.running(), deadline.within(20):
            await asyncio.sleep(10)


def test_a_check_that_ran_out_of_time_beside_a_failure_is_no_second_cause() -> None:
    late = Finding("doctor.probe-timeout", "slow", "fail", "late", {})
    failed = Finding("net.dns", "a", "fail", "unknown", {"host": "a.example"})

    assert root_causes(merge_shared_causes([failed, late])) == ("net.dns",)
    assert root_causes(merge_shared_causes([late])) == ("doctor.probe-timeout",)
