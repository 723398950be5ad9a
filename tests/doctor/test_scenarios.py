"""Every fault that can be made here is named exactly, and a healthy environment gives no finding."""

import asyncio
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from salambot_cli.doctor import PROBES
from salambot_cli.doctor.diagnose import Options, diagnose, diagnosis
from salambot_cli.doctor.graph import run_probes
from salambot_cli.doctor.probe import ProbeContext
from salambot_cli.doctor.simulate import questions
from tests.doctor.cloud import MY_IP, Moto, Parts, healthy
from tests.doctor.examine import examine
from tests.doctor.scenarios import SCENARIOS, Scenario, sg_without_my_ip
from tests.doctor.wires import silent_port
from tests.servers import PostgresServer, ValkeyServer


@pytest.fixture
def parts(
    moto: Moto, postgres_server: PostgresServer, valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> Parts:
    """The real servers, and an AWS SDK that finds nothing of this machine's."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    return Parts(postgres_server, valkey_server, moto, Path(tempfile.gettempdir()))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
async def test_the_doctor_names_the_root_causes_exactly(parts: Parts, scenario: Scenario) -> None:
    outcome = await examine(parts, scenario)

    told = {f.id: (f.title, dict(f.evidence)) for f in outcome.report.findings if f.status in {"fail", "warn"}}
    assert set(outcome.report.root_causes) == scenario.roots, told
    assert outcome.warned == scenario.warns, told
    assert outcome.exact, told
    assert not outcome.broken
    assert not outcome.leaks


@pytest.mark.parametrize("topology", [("t1",), ("t2",), ("t1", "t3")], ids="+".join)
async def test_a_probe_reads_what_it_declares(parts: Parts, tmp_path: Path, topology: tuple[str, ...]) -> None:
    async with healthy(parts, tmp_path, *topology) as cloud:
        environment = cloud.load()
        context = ProbeContext(environment, my_ip=(ipaddress.ip_address(MY_IP),))
        probes = [probe for probe in PROBES if probe.applies(environment)]
        async for _ in run_probes(probes, context):
            pass
        await context.close()

    undeclared = {p.id: context.readings.get(p.id, set()) - {*p.variables(environment)} for p in probes if p.reads}
    assert {check: sorted(names) for check, names in undeclared.items() if names} == {}


async def test_what_aws_is_asked_was_announced(parts: Parts, tmp_path: Path) -> None:
    asked: set[str] = set()

    async def note(request: web.Request, answer: web.Response) -> web.Response:
        target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        action = parse_qs((await request.read()).decode(errors="replace")).get("Action", [target])[0]
        asked.update({action} - {""})
        return answer

    async with healthy(parts, tmp_path, "t1", "t3") as cloud:
        cloud.postgres_at(cloud.stack.enter_context(silent_port()))
        cloud.variables["AWS_ENDPOINT_URL"] = await cloud.over_moto(note)
        environment = cloud.load()
        probes = diagnosis(environment).probes
        announced = {p.partition(":")[2] for q in questions(probes, environment) for p in q.permissions}
        hosts = {host for question in questions(probes, environment) for host in question.hosts}
        assert asked == set()

        await diagnose(environment, options=Options(my_ip=(ipaddress.ip_address(MY_IP),)))

    assert {"GetSecretValue", "DescribeDBInstances", "DescribeTrails"} <= asked <= announced
    assert {"api64.ipify.org", "127.0.0.1:" + cloud.variables["AWS_ENDPOINT_URL"].rpartition(":")[2]} <= hosts


@pytest.mark.skipif(shutil.which("aws") is None, reason="needs the aws command")
async def test_fix_asks_runs_the_exact_command_and_looks_again(parts: Parts, tmp_path: Path, checkout: Path) -> None:
    async with healthy(parts, tmp_path, "t1") as cloud:
        await sg_without_my_ip(cloud)
        cloud.load()
        keep = {name: os.environ[name] for name in ("TMPDIR", "HOME", "SALAMBOT_TEST_WORKER") if name in os.environ}
        environ = keep | cloud.variables | {"PYTHONPATH": str(checkout), "AWS_EC2_METADATA_DISABLED": "true"}
        command = [sys.executable, "-m", "salambot_cli", "doctor", "rds.network", "--my-ip", MY_IP, "--fix"]

        ran = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=tmp_path,
            env=environ,
            input="y\n",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        (group,) = parts.moto.client("ec2").describe_security_groups(GroupIds=[cloud.account.group])["SecurityGroups"]
        allowed = {r["CidrIp"] for p in group["IpPermissions"] for r in p["IpRanges"]}
        assert f"{MY_IP}/32" in allowed, ran.stderr
        assert "aws ec2 authorize-security-group-ingress --group-id" in ran.stdout
        # The port is as silent as before: the second look goes one step further.
        assert "net.egress-blocked" in ran.stdout
