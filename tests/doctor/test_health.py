"""What the doctor says of a service or store, by how it is: each trouble is told, also one that comes back."""

from pathlib import Path
from typing import get_args

import pytest

from salambot_cli.config.load import load_environment
from salambot_cli.doctor.probe import ProbeContext
from salambot_cli.doctor.stack import check_components, check_services
from salambot_cli.model.plan import Running
from salambot_cli.model.topology import SERVICES
from salambot_cli.model.unit import Health, ObservedStack, PartStatus
from salambot_cli.stack.runtimes.supervised import with_unit

CRASHED = "crashed 5 times in a row, the last time it ended with status 3"
WELL = {"healthy", "starting"}


async def context(folder: Path, *parts: PartStatus) -> ProbeContext:
    """Return a context where a stack runs that is healthy but for these parts."""
    (folder / "salambot.toml").write_text('runtime = "process"\n')
    changed = {part.name: part for part in parts}
    seen = ObservedStack(
        "process",
        {name: changed.get(name, PartStatus(name, "healthy")) for name in SERVICES},
        {
            name: changed.get(name, PartStatus(name, "healthy", placement="local"))
            for name in ("postgres", "redis", "vectors")
        },
        PartStatus("worker", "healthy"),
        running=Running(supervisor_pid=1),
    )
    exam = ProbeContext(load_environment(folder, environ={}))

    async def observed() -> ObservedStack:
        return seen

    await exam.once("observed", observed)
    return exam


@pytest.mark.parametrize("health", get_args(Health))
async def test_each_trouble_of_a_service_is_told(tmp_path: Path, health: Health) -> None:
    found = await check_services(await context(tmp_path, PartStatus("nlu", health, detail=CRASHED)))

    findings = found if isinstance(found, list) else [found]
    told = [(f.status, f.id, f.evidence["part"], f.evidence["health"]) for f in findings if f.status != "ok"]
    assert told == ([] if health in WELL else [("fail", "local.unhealthy", "nlu", health)])


@pytest.mark.parametrize("health", get_args(Health))
async def test_each_trouble_of_a_local_store_is_told(tmp_path: Path, health: Health) -> None:
    store = PartStatus("redis", health, placement="local", detail=CRASHED)
    found = await check_components(await context(tmp_path, store))

    findings = found if isinstance(found, list) else [found]
    told = [(f.status, f.id, f.evidence["part"], f.evidence["health"]) for f in findings if f.status != "ok"]
    assert told == ([] if health in WELL else [("fail", "local.unhealthy", "redis", health)])


async def test_a_service_that_crashes_again_and_again_is_the_root_of_those_that_need_it(tmp_path: Path) -> None:
    facts = {"state": "failing", "detail": CRASHED, "since": None, "pid": None}
    nlu = with_unit(PartStatus("nlu", "down", detail="connection refused"), facts)
    found = await check_services(await context(tmp_path, nlu, PartStatus("orchestrateur", "degraded", detail="nlu")))

    assert isinstance(found, list)
    assert [(f.status, f.title) for f in found] == [
        ("fail", f"nlu is failing: {CRASHED}"),
        ("skipped", "orchestrateur waits for nlu"),
    ]


async def test_a_service_that_crashes_while_it_answers_for_a_moment_is_still_told(tmp_path: Path) -> None:
    facts = {"state": "failing", "detail": CRASHED, "since": None, "pid": 12}
    found = await check_services(await context(tmp_path, with_unit(PartStatus("rag", "healthy"), facts)))

    assert isinstance(found, list)
    assert [f.title for f in found] == [f"rag is failing: {CRASHED}"]
