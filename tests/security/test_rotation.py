"""Rotating under load: what was signed before and after is taken, nothing is dropped; an interruption is made good."""

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
import redis
import redis.asyncio

from salambot_cli.config.endpoints import postgres_url, redis_url
from salambot_cli.host.files import replace_file
from salambot_cli.host.keys import (
    JWKS,
    NEXT_KEY,
    adopt_next_key,
    identity_provider,
    keys_folder,
    mint_token,
    publish_next_key,
)
from salambot_cli.secrets.rotation_marker import RotationMarker
from tests import events
from tests.load import CLAIMS, load, search, search_now
from tests.stack import Project, make_project

pytestmark = pytest.mark.xdist_group("local-stack")
NUMBERS = itertools.count()


@pytest.fixture
def project(local_stack: Project) -> Project:
    return local_stack


def signed_now(state: Path) -> Callable[[httpx.Client], int]:
    """Send a webhook signed with the newest secret of that moment, as its sender learns it: a little late."""
    held = [(state / "keys" / "WEBHOOK_SECRET").read_text().split(",")[0]]

    def send(client: httpx.Client) -> int:
        body = events.generic(text="Bonjour", message_id=f"m-{next(NUMBERS)}")
        headers = events.by_standard(body, secret=held[0])
        return client.post("/v1/webhooks/generic", content=body, headers=headers).status_code

    return send


def test_jwt_under_load(project: Project) -> None:
    url = project.json("status")["services"]["gateway"]["url"]
    before = project.json("token")["token"]
    pids = {name: facts["pid"] for name, facts in project.json("status")["services"].items()}
    with load(url, search_now(project.folder)) as statuses:
        for _ in range(2):
            steps = project.json("secrets", "rotate", "jwt")["steps"]
            assert "the gateway verifies tokens of both" in steps
    assert len(statuses) > 20
    assert set(statuses) == {200}
    after = project.json("token")["token"]
    assert before.split(".")[0] != after.split(".")[0], "another key id"
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        assert [search(client, before), search(client, after)] == [200, 200]
    assert {name: facts["pid"] for name, facts in project.json("status")["services"].items()} == pids


def test_webhook_secret_restarts_only_its_readers(project: Project) -> None:
    before = {name: facts["pid"] for name, facts in project.json("status")["services"].items()}
    old = (project.state / "keys" / "WEBHOOK_SECRET").read_text()
    url = project.json("status")["services"]["gateway"]["url"]
    with load(url, signed_now(project.state)) as statuses:
        done = project.json("secrets", "rotate", "webhook")
    assert len(statuses) > 20
    assert set(statuses) == {200}, "who signs with the old one is taken too"
    held = (project.state / "keys" / "WEBHOOK_SECRET").read_text().split(",")
    assert held[1:] == [old]
    assert held[0].startswith("whsec_")
    assert old not in json.dumps(done)
    after = {name: facts["pid"] for name, facts in project.json("status")["services"].items()}
    assert {name for name in before if before[name] != after[name]} == {"gateway"}
    project.run("secrets", "rotate", "webhook", "--finish")
    assert (project.state / "keys" / "WEBHOOK_SECRET").read_text() == held[0]


@pytest.mark.parametrize(("name", "variable"), [("webhook", "WEBHOOK_SECRET"), ("internal", "INTERNAL_TOKEN")])
def test_what_a_killed_rotation_made_is_what_the_next_one_puts_to_use(
    project: Project, name: str, variable: str
) -> None:
    file = project.state / "keys" / variable
    old = file.read_text().split(",")[0]
    url = project.json("status")["services"]["gateway"]["url"]
    ask = signed_now(project.state) if name == "webhook" else search_now(project.folder)
    with load(url, ask) as statuses:
        command = project.start("secrets", "rotate", name)
        while len(held := file.read_text().split(",")) < 2 or old not in held:
            assert command.poll() is None
        command.kill()
        command.communicate()
        fresh = next(one for one in file.read_text().split(",") if one != old)
        steps = project.json("secrets", "rotate", name)["steps"]
    assert len(statuses) > 20
    assert set(statuses) == {200}, "a third secret would have ended the first, which is still in use"
    assert steps[0] == "an interrupted rotation is finished"
    assert file.read_text() == f"{fresh},{old}"
    assert not (project.state / "keys" / f"{variable}.rotating").exists()
    assert project.json("smoke")["status"] == "pass"
    project.run("secrets", "rotate", name, "--finish")
    assert file.read_text() == fresh


def test_internal_token_changes_while_the_stack_answers(project: Project) -> None:
    old = (project.state / "keys" / "INTERNAL_TOKEN").read_text()
    url = project.json("status")["services"]["gateway"]["url"]
    with load(url, search_now(project.folder)) as statuses:
        project.run("secrets", "rotate", "internal")
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert project.json("smoke")["status"] == "pass"
    fresh, before = (project.state / "keys" / "INTERNAL_TOKEN").read_text().split(",")
    assert before == old
    url = str(project.json("status")["services"]["rag"]["url"])
    statuses = {
        token: httpx.get(
            f"{url}/internal/index", params={"tenant": "demo"}, headers={"X-SalamBot-Internal": token}
        ).status_code
        for token in (old, fresh, f"{fresh},{old}", "x")
    }
    assert list(statuses.values()) == [200, 200, 401, 401]


def role_url(project: Project, store: str, password: str) -> str:
    port = json.loads((project.state / "state.json").read_text())["ports"][store]
    return (postgres_url if store == "postgres" else redis_url)("127.0.0.1", port, password)


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_login_of_a_local_store_under_load(project: Project, store: str) -> None:
    file = project.state / "keys" / f"{store.upper()}_PASSWORD"
    before = project.json("status")
    old = file.read_text()
    with load(before["services"]["gateway"]["url"], search_now(project.folder)) as statuses:
        done = project.json("secrets", "rotate", store)
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert old not in json.dumps(done)
    assert file.read_text() not in json.dumps(done)
    assert file.read_text() != old
    with pytest.raises((redis.AuthenticationError, asyncpg.InvalidAuthorizationSpecificationError)):
        asyncio.run(login(store, role_url(project, store, old)))
    after = project.json("status")
    assert after["status"] == "ready"
    assert after["services"]["nlu"]["pid"] == before["services"]["nlu"]["pid"], "it reads neither"
    assert project.json("smoke")["status"] == "pass"


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_a_rotation_killed_midway_locks_nobody_out_and_is_finished_by_the_next(project: Project, store: str) -> None:
    file, marker = (project.state / "keys" / name for name in (f"{store.upper()}_PASSWORD", f"{store}.rotating"))
    old = file.read_text()
    command = project.start("secrets", "rotate", store)
    while not marker.exists():
        assert command.poll() is None
    command.kill()
    command.communicate()
    assert project.json("smoke")["status"] == "pass"
    asyncio.run(login(store, role_url(project, store, old)))
    adopted = file.read_text()
    steps = project.json("secrets", "rotate", store)["steps"]
    assert not marker.exists()
    if adopted != old:
        assert steps[0] == "an interrupted rotation is finished"
        assert file.read_text() == adopted
    with pytest.raises((redis.AuthenticationError, asyncpg.InvalidAuthorizationSpecificationError)):
        asyncio.run(login(store, role_url(project, store, old)))
    assert project.json("smoke")["status"] == "pass"


def test_tables_belong_to_one_role_whoever_is_logged_in(project: Project) -> None:
    async def owners() -> list[tuple[str, str]]:
        password = (project.state / "keys" / "POSTGRES_PASSWORD").read_text()
        connection = await asyncpg.connect(role_url(project, "postgres", password))
        try:
            await connection.execute("CREATE TABLE IF NOT EXISTS made_after_the_rotation (n int)")
            rows = await connection.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
            await connection.execute("DROP TABLE made_after_the_rotation")
            users = await connection.fetchrow("SELECT current_user::text, session_user::text")
        finally:
            await connection.close()
        assert users is not None
        return [(row["tableowner"], users["current_user"]) for row in rows]

    project.run("secrets", "rotate", "postgres")
    assert asyncio.run(owners()) == [("salambot", "salambot")]
    assert project.json("up", "--no-seed")["status"] == "ready"


async def login(store: str, url: str) -> None:
    if store == "postgres":
        await (await asyncpg.connect(url)).close()
        return
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.ping()


def test_the_trail_tells_of_rotations_and_verifies(project: Project) -> None:
    assert "secret.rotate" in {entry["action"] for entry in project.json("audit", "show")["records"]}
    found = project.json("audit", "verify")
    assert (found["status"], found["faults"]) == ("intact", [])
    assert found["records"] > 0
    project.run("secrets", "rotate", "jwt")
    assert project.json("audit", "verify", "--head", found["head"])["status"] == "intact"
    cut_off = project.json("audit", "verify", "--head", "00" * 32, status=1)
    assert "does not hold" in cut_off["faults"][0]


def test_a_rotation_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    identity_provider(tmp_path)
    publish_next_key(tmp_path)
    folder = tmp_path / ".salambot" / "keys"
    made = (folder / NEXT_KEY).read_bytes()
    assert mint_token(tmp_path, **CLAIMS).split(".")[0]  # type: ignore[arg-type] # the claims above
    published = json.loads((folder / JWKS).read_text())["keys"]
    publish_next_key(tmp_path)
    assert (folder / NEXT_KEY).read_bytes() == made
    again = json.loads((folder / JWKS).read_text())["keys"]
    assert [key["kid"] for key in again] == [key["kid"] for key in published]
    adopt_next_key(tmp_path)
    assert not (folder / NEXT_KEY).exists()
    publish_next_key(tmp_path)
    kids = [key["kid"] for key in json.loads((folder / JWKS).read_text())["keys"]]
    assert kids[1:] == [key["kid"] for key in again], "the one before is trusted until what it signed has expired"


@pytest.mark.parametrize(
    ("held", "more", "left"),
    [
        ("fresh,old", (), "fresh,old"),
        ("old,fresh", (), "fresh,old"),
        ("old,fresh", ("--finish",), "fresh"),
        ("fresh,old", ("--finish",), "fresh"),
    ],
)
def test_a_secret_is_rotated_on_from_each_of_its_stages(
    tmp_path: Path, held: str, more: tuple[str, ...], left: str
) -> None:
    file = keys_folder(tmp_path) / "INTERNAL_TOKEN"
    replace_file(file, held)
    RotationMarker.of(tmp_path, "INTERNAL_TOKEN").begin("fresh")
    steps = make_project(tmp_path).json("secrets", "rotate", "internal", *more)["steps"]
    assert steps[0] == "an interrupted rotation is finished"
    assert file.read_text() == left
    assert not RotationMarker.of(tmp_path, "INTERNAL_TOKEN").made("fresh")
