"""The hybrid environment on a real engine: up, seed, smoke, down; locally and against a cloud outside the project."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.e2e.compose_project import compose, containers, rendered
from tests.e2e.conftest import ComposeStack, with_compose
from tests.load import load, search_now
from tests.offline_cloud import DATABASE_NAME
from tests.stack import Project

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
RUNNING = {"gateway", "orchestrateur", "nlu", "rag"}
CONTAINERS = RUNNING | {"worker", "migrate"}
ROTATED = {
    "webhook": {"gateway"},
    "internal": RUNNING | {"worker"},
    "redis": {"gateway", "orchestrateur", "rag", "worker"},
    "postgres": {"gateway", "orchestrateur", "rag", "worker"},
}
"""Which parts read each secret again."""


@contextmanager
def offline_cloud(checkout: Path, folder: Path, *topology: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the offline cloud of the examples, which writes a project into `folder`."""
    script = checkout / "examples" / "offline-cloud" / "cloud.py"
    cloud = subprocess.Popen([sys.executable, script, folder, *topology], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (folder / "cloud-ready").exists():
            assert cloud.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        toml = folder / "salambot.toml"
        toml.write_text(with_compose(toml.read_text()))
        yield cloud
    finally:
        cloud.terminate()
        cloud.wait(timeout=60)


def test_local_from_up_to_down(compose_stack: ComposeStack) -> None:
    project, up = compose_stack.project, compose_stack.first_up
    assert (up["status"], up["runtime"]) == ("ready", "compose")
    assert {name: facts["health"] for name, facts in up["services"].items()} == dict.fromkeys(RUNNING, "healthy")
    assert project.json("seed", "--dry-run")["documents"]["added"] > 0
    assert project.json("seed")["documents"]["added"] > 0
    look_into_the_database(project)
    look_at_the_console(project, "done")
    interrupt_a_seed(project)
    look_at_the_console(project, "failed")
    assert project.json("smoke")["status"] == "pass"
    status = project.json("status")
    assert status["status"] == "ready"
    before = containers(project)
    assert set(before) == CONTAINERS | {"postgres", "redis"}
    edit_a_rendered_file(project)
    again = project.json("up")
    assert {step["status"] for step in again["steps"] if step["id"].startswith("start.")} == {"unchanged"}
    assert containers(project) == before
    find_a_person_in_a_log(project)
    logs = project.run("logs", "gateway").stdout
    assert "gateway" in logs


def look_at_the_console(project: Project, seed: str) -> None:
    """It is there for this machine, shows how the last seed ended, and is there for nobody behind a proxy."""
    url = str(project.json("open")["url"])
    page = httpx.get(url, timeout=30).text
    assert 'data-part="rag" data-health="ok"' in page
    assert f'data-seed="{seed}"' in page
    assert httpx.get(url, headers={"X-Forwarded-For": "192.0.2.1"}, timeout=30).status_code == 404


def edit_a_rendered_file(project: Project) -> None:
    """`up` says that it replaced the file, where the edited one is, and what was different."""
    override = rendered(project) / "docker-compose.override.yml"
    override.write_text(override.read_text() + "# mine\n")
    said = project.run("up").stderr
    assert "docker-compose.override.yml was edited by hand" in said
    assert "-# mine" in said
    (kept,) = rendered(project).glob("*.edited-*")
    assert str(kept) in said
    assert kept.read_text().endswith("# mine\n")
    assert "# mine" not in override.read_text()


def look_into_the_database(project: Project) -> None:
    """The services' role is bound by row-level security, and is the only one that gets in."""
    port = json.loads((project.state / "state.json").read_text())["ports"]["postgres"]
    password = (project.state / "keys" / "POSTGRES_PASSWORD").read_text()

    async def ask() -> tuple[Any, ...]:
        place = {"host": "127.0.0.1", "port": port, "password": password, "database": "salambot"}
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(user="postgres", **place)
        connection = await asyncpg.connect(user="salambot", **place)
        try:
            role = "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
            counts = [await connection.fetchval("SELECT count(*) FROM documents")]
            async with connection.transaction():
                await connection.execute("SET LOCAL salambot.tenant = 'demo'")
                counts.append(await connection.fetchval("SELECT count(*) FROM documents"))
            return (*await connection.fetchrow(role), counts[0], counts[1] > 0)
        finally:
            await connection.close()

    assert asyncio.run(ask()) == (False, False, 0, True)


def find_a_person_in_a_log(project: Project) -> None:
    """The doctor reads what containers write."""
    assert "sec.pii-telemetry" not in project.json("doctor", "security", "--offline", status=None)["root_causes"]
    line = '{"event":"hello","customer":"+212612345678"}'
    compose(project, "exec", "-T", "nlu", "sh", "-c", f"echo '{line}' >/proc/1/fd/1")
    found = project.json("doctor", "security", "--offline", status=1)
    assert "sec.pii-telemetry" in found["root_causes"]
    assert "field customer of nlu's container" in json.dumps(found)
    assert "612345678" not in json.dumps(found)


def interrupt_a_seed(project: Project) -> None:
    """Ctrl-C ends the job in the container too."""
    docs = project.folder / "long"
    docs.mkdir()
    for number in range(800):
        (docs / f"{number}.md").write_text(f"# Article {number}\n\n" + f"Le modèle {number} existe en bleu. " * 40)
    with project.start("seed", str(docs), "--json-lines") as run:
        assert run.stdout is not None
        assert any(json.loads(line).get("event") == "indexed" for line in run.stdout)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=180)
    assert run.returncode == 130
    running = subprocess.check_output(["docker", "top", containers(project)["orchestrateur"]], text=True)
    assert "seed_kb" not in running


def test_plain_compose_with_what_was_rendered(
    checkout: Path, make_compose_project: Callable[..., Project], tmp_path: Path
) -> None:
    """As the head of `compose/docker-compose.yml` says: no `salambot` once the files are there."""
    base = ["docker", "compose", "-f", str(checkout / "compose/docker-compose.yml"), "config", "--quiet"]
    assert subprocess.run(base, capture_output=True, text=True, check=True).stderr == ""
    project = make_compose_project()
    folder = tmp_path / "plain"
    project.run("render", "--output", str(folder))
    plain = ["docker", "compose"]
    subprocess.run([*plain, "up", "--detach", "--wait"], cwd=folder, capture_output=True, check=True)
    try:
        assert project.json("smoke")["status"] == "pass"
    finally:
        subprocess.run([*plain, "down", "--volumes"], cwd=folder, capture_output=True, check=True)


def test_the_original_seed_command_and_healing(compose_stack: ComposeStack) -> None:
    project = compose_stack.project
    project.json("up", "--seed")
    job = ["python", "-m", "salambot.jobs.seed_kb", "--tenant", "demo", "--incremental", "--vector", "local"]
    report = compose(project, "exec", "-T", "orchestrateur", *job, "--json").stdout
    assert json.loads(report)["status"] == "done"
    before = containers(project)
    subprocess.run(["docker", "kill", "--signal", "KILL", before["nlu"]], check=True, capture_output=True)
    compose(project, "stop", "nlu")
    healed = project.json("up", "--no-seed")
    assert healed["status"] == "ready"
    changed = {step["id"] for step in healed["steps"] if step["status"] == "done" and step["id"].startswith("start.")}
    assert changed == {"start.nlu"}
    project.run("down")
    assert containers(project) == {}
    assert project.json("up")["status"] == "ready", "the data of the volumes is still there"


def test_a_changed_variable_recreates_only_who_reads_it(compose_stack: ComposeStack) -> None:
    project = compose_stack.project
    before = containers(project)
    project.run("up", "--no-seed", META_APP_SECRET="rotated-secret-of-the-channel")
    after = containers(project)
    assert {name for name in before if before[name] != after[name]} == {"gateway"}


def test_rotating_the_signing_key_restarts_nothing(compose_stack: ComposeStack) -> None:
    project = compose_stack.project
    before = containers(project)
    with load(project.json("status")["services"]["gateway"]["url"], search_now(project.folder)) as statuses:
        assert "the gateway verifies tokens of both" in project.json("secrets", "rotate", "jwt")["steps"]
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert project.json("smoke")["status"] == "pass"
    assert containers(project) == before
    assert project.json("up", "--no-seed")["status"] == "ready"
    assert containers(project) == before


@pytest.mark.timing
def test_rotating_any_other_secret_drops_no_request(compose_stack: ComposeStack) -> None:
    project = compose_stack.project
    url = project.json("status")["services"]["gateway"]["url"]
    before = containers(project)
    for name, restarted in ROTATED.items():
        with load(url, search_now(project.folder)) as statuses:
            steps = project.json("secrets", "rotate", name)["steps"]
        assert len(statuses) > 20
        assert set(statuses) == {200}, name
        (said,) = {step.rpartition("restarted: ")[2] for step in steps if "restarted: " in step}
        assert set(said.split(", ")) == restarted
    assert containers(project) == before, "each reads its secrets where it runs"
    assert project.json("smoke")["status"] == "pass"
    assert project.json("up", "--no-seed")["status"] == "ready"
    project.run("down")
    compose(project, "up", "--detach", "--wait")
    assert project.json("smoke")["status"] == "pass", "the rendered files are enough for plain Compose"


def test_a_secret_that_changed_and_was_not_read_is_read_by_the_next_up(compose_stack: ComposeStack) -> None:
    project = compose_stack.project
    before = containers(project)
    fresh = "whsec_" + "c2VjcmV0" * 4
    (project.state / "keys" / "WEBHOOK_SECRET").write_text(fresh)
    given = "printenv; cat /run/secrets/WEBHOOK_SECRET"
    assert project.json("up", "gateway", "--no-seed")["status"] == "ready"
    assert compose(project, "exec", "-T", "gateway", "sh", "-c", given).stdout.endswith(fresh)
    assert "SECRET=" not in compose(project, "exec", "-T", "gateway", "sh", "-c", given).stdout
    assert "WEBHOOK_SECRET" not in (rendered(project) / ".env").read_text()
    project.run("webhook", "trigger", "generic", "--text", "Bonjour")
    assert containers(project) == before


def test_the_login_of_the_postgres_container_changes_role_and_survives_another_up(compose_stack: ComposeStack) -> None:
    project = compose_stack.project
    for _ in range(2):
        assert "postgres takes the new login only" in project.json("secrets", "rotate", "postgres")["steps"]
        assert project.json("smoke")["status"] == "pass"
    project.run("secrets", "rotate", "postgres")
    project.run("down", "--volumes", "--yes")
    assert project.json("up", "--no-seed")["status"] == "ready", "the twin owns an empty database too"


def test_two_environments_side_by_side(
    compose_stack: ComposeStack, make_compose_project: Callable[..., Project]
) -> None:
    first, second = compose_stack.project, make_compose_project('tenant = "atlas"')
    urls = [first.json("status")["services"]["gateway"]["url"]]
    urls.append(second.json("up", "--no-seed")["services"]["gateway"]["url"])
    assert urls[0] != urls[1]
    second.run("down", "--volumes", "--yes")
    assert first.json("status")["status"] == "ready"


def test_one_environment_runs_in_one_runtime(make_compose_project: Callable[..., Project]) -> None:
    """Two stacks of one folder would share its state, and `down` would know only the later one."""
    project = make_compose_project()
    project.run("up", "nlu", "--no-seed", "--runtime", "process")
    said = project.run("up", "--no-seed", status=1).stderr
    assert "this environment runs already, but not in runtime compose" in said
    assert "still running: nlu" in said
    project.run("down")
    project.run("up", "nlu", "--no-seed")
    before = containers(project)
    said = project.run("up", "--no-seed", "--runtime", "process", status=1).stderr
    assert "salambot down; " in said
    assert (containers(project), project.processes()) == (before, [])


def test_t2_against_the_offline_cloud(checkout: Path, make_compose_project: Callable[..., Project]) -> None:
    project = make_compose_project()
    with offline_cloud(checkout, project.folder, "t2"):
        assert project.json("up", "--no-seed")["status"] == "ready"
        seeded = project.json("seed")
        assert seeded["documents"]["added"] > 0
        assert project.json("smoke")["status"] == "pass"
        reply = project.json("chat", "C'est quoi votre politique de remboursement ?")
        assert reply["data"]["provider"] == "openai"


def test_t1_against_the_offline_cloud_and_its_lost_database(
    checkout: Path, make_compose_project: Callable[..., Project]
) -> None:
    project = make_compose_project()
    with offline_cloud(checkout, project.folder, "t1") as cloud:
        assert project.json("up", "--no-seed")["status"] == "ready"
        assert set(containers(project)) == CONTAINERS, "no local container for what is in the cloud"
        seeded = project.json("seed")
        assert (seeded["vector"], seeded["documents"]["added"] > 0) == ("pinecone", True)
        assert project.json("smoke")["status"] == "pass"
        cloud.send_signal(signal.SIGUSR1)
        assert project.json("status", status=None)["status"] == "degraded"
        assert project.json("smoke", status=1)["status"] == "fail"
        cloud.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + 60
        while project.json("smoke", status=None)["status"] != "pass":
            assert time.monotonic() < deadline, "it did not recover by itself"


def test_into_the_vpc_through_a_jump(checkout: Path, make_compose_project: Callable[..., Project]) -> None:
    project = make_compose_project()
    with offline_cloud(checkout, project.folder, "t1", "jump"):
        path = f"{project.folder}/bin:{os.environ['PATH']}"
        up = project.json("up", "--no-seed", PATH=path)
        assert {"start.jump.postgres", "start.jump.redis"} <= {step["id"] for step in up["steps"]}
        assert project.json("status", PATH=path)["components"]["postgres"]["health"] == "healthy"
        assert project.json("smoke", PATH=path)["status"] == "pass"
        examine_the_forwards(project, path)
        project.run("down", PATH=path)
        assert not [one for one in project.processes() if "session" in " ".join(one.cmdline())]


def examine_the_forwards(project: Project, path: str) -> None:
    """The doctor goes the way of the containers, and tells a forward that hangs."""
    findings = project.json("doctor", "postgres", "redis", "--offline", status=None, PATH=path)["findings"]
    well = {"jump.postgres", "jump.redis"}
    assert well <= {finding["id"] for finding in findings if finding["status"] == "ok"}, findings
    (forward,) = [one for one in project.processes() if f"{DATABASE_NAME}:5432" in one.cmdline()]
    forward.suspend()
    try:
        seen = project.json("doctor", "postgres", "redis", "--offline", status=1, PATH=path)
    finally:
        forward.resume()
    assert seen["root_causes"] == ["aws.jump-down.forward"]


def test_t1_t3_leaves_no_secret_in_clear(checkout: Path, make_compose_project: Callable[..., Project]) -> None:
    project = make_compose_project()
    with offline_cloud(checkout, project.folder, "t1", "t3"):
        exports = (project.folder / "cloud-ready").read_text()
        credentials = dict(line.removeprefix("export ").split("=", 1) for line in exports.splitlines())
        (project.folder / "cloud-ready").unlink()
        assert project.json("up", "--no-seed", **credentials)["status"] == "ready"
        assert project.json("seed", **credentials)["documents"]["added"] > 0
        assert project.json("smoke", **credentials)["status"] == "pass"
        secrets = ("sk-offline-cloud", "pcsk_offline_cloud", credentials["AWS_SECRET_ACCESS_KEY"])
        metadata = subprocess.run(
            ["docker", "inspect", *containers(project).values()], capture_output=True, text=True, check=True
        ).stdout
        files = [path for path in project.folder.rglob("*") if path.is_file()]
        written = {path: path.read_bytes() for path in files}
        for secret in secrets:
            assert secret not in metadata
            assert [path for path, content in written.items() if secret.encode() in content] == []
