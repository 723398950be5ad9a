"""Local stores in odd folders: each takes its password and its address, or is ended before anybody is told of it."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from salambot_cli.host.ports import free_port
from salambot_cli.model.secret import Secret
from salambot_cli.model.unit import Readiness, Unit
from salambot_cli.stack.runtimes.embedded import redis_unit, write_redis_password
from salambot_cli.stack.supervised_process import LogFile, remove_stale_lock
from salambot_cli.stack.supervisor_client import SupervisorClient, UnitFailedError

FOLDERS = [
    "Mes Projets", "Boutique d'été à Fès", "app[slug]", "متجر", 'q"uote', "a#b%c$d&e;f", "new\nline", "trailing  ",
    "*?{}~!", "back\\slash", "$(touch pwned)", "é" * 90,
]  # fmt: skip


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[SupervisorClient]:
    client = SupervisorClient(tmp_path / "state")
    (tmp_path / "state").mkdir(mode=0o700)
    assert await client.launch()
    yield client
    await client.shutdown()


async def say(port: int, words: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{words}\r\n".encode())
    answer = (await reader.readline()).decode()
    writer.close()
    return answer


async def test_valkey_takes_its_password_in_every_folder(supervisor: SupervisorClient, tmp_path: Path) -> None:
    for name in FOLDERS:
        data, port = tmp_path / name / "redis", free_port()
        write_redis_password(data, Secret("sentinel"))
        assert await supervisor.ensure(redis_unit(data, port, Secret("sentinel"))) in {"started", "restarted"}, name
        assert (await say(port, "PING")).startswith("-NOAUTH"), name
        assert (await say(port, "AUTH sentinel")).startswith("+OK"), name
        assert (data / "appendonlydir").is_dir(), "its data is in its own folder"


async def test_a_store_without_its_password_is_ended_before_anybody_is_told(
    supervisor: SupervisorClient, tmp_path: Path
) -> None:
    data, port = tmp_path / "redis", free_port()
    write_redis_password(data, Secret("sentinel"))
    (data / "valkey.conf").write_text("# read by nobody\n")
    with pytest.raises(UnitFailedError, match="redis did not start") as caught:
        await supervisor.ensure(redis_unit(data, port, Secret("sentinel")))
    assert "answers without a password" in caught.value.why
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_store_with_another_password_or_address_is_ended_too(
    supervisor: SupervisorClient, tmp_path: Path
) -> None:
    data, port = tmp_path / "redis", free_port()
    write_redis_password(data, Secret("another"))
    with pytest.raises(UnitFailedError) as caught:
        await supervisor.ensure(redis_unit(data, port, Secret("sentinel")))
    assert "does not take the password" in caught.value.why
    write_redis_password(data, Secret("sentinel"))
    unit = redis_unit(data, port, Secret("sentinel"))
    everywhere = tuple("*" if word == "127.0.0.1" else word for word in unit.argv)
    with pytest.raises(UnitFailedError) as caught:
        await supervisor.ensure(replace(unit, argv=everywhere))
    assert "it listens on" in caught.value.why


def test_a_lock_file_of_a_killed_process_goes_and_one_in_use_stays(tmp_path: Path) -> None:
    unit = Unit("store", ("true",), Readiness("tcp", "127.0.0.1:1"), cwd=str(tmp_path), lock_file="postmaster.pid")
    lock, log = tmp_path / "postmaster.pid", LogFile(tmp_path / "store.log")
    lock.write_text(f"{os.getpid()}\n")  # the pid is another program's by now
    remove_stale_lock(unit, log)
    assert not lock.exists()
    lock.write_text("1\n")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        remove_stale_lock(unit, log)
    finally:
        os.chdir(before)
    assert lock.exists(), "a process works in the folder"
    log.close()
