"""The supervisor with real processes: ready, restarted, given up, stopped, gone with its children however it ends."""

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from pathlib import Path
from typing import cast

import psutil
import pytest

from salambot_cli.host.ports import free_port
from salambot_cli.model.unit import Readiness, Unit
from salambot_cli.stack.supervisor_client import SupervisorClient, UnitFailedError
from salambot_cli.stack.supervisor_protocol import PROTOCOL, read_message, socket_path, unit_to_wire, write_message

pytestmark = pytest.mark.slow

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[SupervisorClient]:
    client = SupervisorClient(tmp_path)
    assert await client.launch()
    yield client
    await client.shutdown()


def server(port: int, name: str = "server", **changes: str) -> Unit:
    return Unit(
        name,
        (sys.executable, "-c", SERVER, str(port)),
        Readiness("http", f"http://127.0.0.1:{port}/health", 20),
        environ=changes,
    )


def script(name: str, code: str, seconds: float = 60) -> Unit:
    return Unit(name, (sys.executable, "-c", code), Readiness("exit", seconds=seconds))


async def facts(client: SupervisorClient, name: str) -> dict[str, object]:
    status = await client.status()
    assert status is not None
    return status["units"][name]  # type: ignore[index, no-any-return]


async def until(client: SupervisorClient, name: str, *, other_than: object = -1, **wanted: object) -> dict[str, object]:
    async with asyncio.timeout(60):
        while True:
            found = await facts(client, name)
            if found["pid"] != other_than and all(found[key] == value for key, value in wanted.items()):
                return found
            await asyncio.sleep(0.02)


async def test_only_one_supervisor_serves_an_environment(supervisor: SupervisorClient) -> None:
    assert not await supervisor.launch()


async def test_unit_is_started_once_and_restarted_when_it_changes(supervisor: SupervisorClient) -> None:
    port = free_port()
    assert await supervisor.ensure(server(port)) == "started"
    pid = (await facts(supervisor, "server"))["pid"]
    assert await supervisor.ensure(server(port)) == "unchanged"
    assert (await facts(supervisor, "server"))["pid"] == pid
    assert await supervisor.ensure(server(port, NAME="value")) == "restarted"
    assert (await facts(supervisor, "server"))["pid"] != pid


INHERITING = """
import http.server, os, signal, socket, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=int(os.environ["SALAMBOT_LISTENER"]))
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


async def test_nobody_is_refused_while_a_unit_restarts_and_everybody_once_it_is_gone(
    supervisor: SupervisorClient,
) -> None:
    port, over, answers = free_port(), asyncio.Event(), list[bytes]()

    async def ask() -> None:
        while not over.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answers.append(await reader.readline())
            writer.close()

    def listening(version: str) -> Unit:
        readiness = Readiness("http", f"http://127.0.0.1:{port}/health", 20)
        return Unit("server", (sys.executable, "-c", INHERITING, version), readiness, listen=(port,))

    await supervisor.ensure(listening("0"))
    asking = asyncio.create_task(ask())
    for version in "123":
        assert await supervisor.ensure(listening(version)) == "restarted"
    over.set()
    await asking
    assert len(answers) > 3
    assert all(b" 200 " in answer for answer in answers)
    await supervisor.stop("server")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


SHARING = INHERITING.replace("server.serve_forever()", """
other = http.server.HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
other.socket = socket.socket(fileno=second)
threading.Thread(target=other.serve_forever, daemon=True).start()
for line in ('{"service":"a","event":"one"}', '{"event":"x\\\\"service\\\\":\\\\"a","service":"b"}', 'Traceback'):
    print(line, flush=True)
server.serve_forever()
""").replace('int(os.environ["SALAMBOT_LISTENER"])', "first").replace(
    "class Handler", 'first, second = map(int, os.environ["SALAMBOT_LISTENER"].split(","))\nclass Handler', 1
)  # fmt: skip


async def test_parts_that_share_a_process_are_known_by_their_own_names(
    supervisor: SupervisorClient, tmp_path: Path
) -> None:
    ports = free_port(), free_port()
    urls = [f"http://127.0.0.1:{port}/health" for port in ports]

    def alone(name: str, port: int) -> Unit:
        return Unit(
            name, (sys.executable, "-c", INHERITING), Readiness("http", f"http://127.0.0.1:{port}/health", 20),
            listen=(port,),
        )  # fmt: skip

    shared = Unit(
        "a+b", (sys.executable, "-c", SHARING), Readiness("http", " ".join(urls), 20), listen=ports, parts=("a", "b")
    )
    assert await supervisor.ensure(alone("a", ports[0])) == "started"
    assert await supervisor.ensure(alone("b", ports[1])) == "started"
    before = {(await facts(supervisor, name))["pid"] for name in "ab"}
    assert "restarted" in await asyncio.gather(supervisor.ensure(shared), supervisor.ensure(shared))
    assert await supervisor.ensure(shared) == "unchanged"
    together = {(await facts(supervisor, name))["pid"] for name in "ab"}
    assert len(together) == 1
    assert not together & before
    said = {name: (tmp_path / "logs" / f"{name}.log").read_text() for name in "ab"}
    lines = {name: [line.partition(" ")[2] for line in text.splitlines()] for name, text in said.items()}
    assert lines["a"] == ['{"service":"a","event":"one"}', "Traceback"]
    assert lines["b"] == ['{"event":"x\\"service\\":\\"a","service":"b"}', "Traceback"]
    assert await supervisor.amend("b", {"NAME": "value"})
    assert not together & {(await facts(supervisor, name))["pid"] for name in "ab"}
    assert await supervisor.ensure(alone("b", ports[1])) == "restarted"
    status = await supervisor.status()
    assert status is not None
    assert {*status["units"]} == {"b"}  # type: ignore[call-overload] # a mapping
    reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])  # its port stays open until it is back
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert await supervisor.ensure(alone("a", ports[0])) == "started"
    assert b" 200 " in await reader.readline()
    writer.close()
    await supervisor.ensure(shared)
    await supervisor.ensure(alone("b", ports[1]))
    await supervisor.stop("b")
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_who_waits_for_a_unit_that_is_wanted_otherwise_meanwhile_waits_for_that(
    supervisor: SupervisorClient,
) -> None:
    port = free_port()
    never = Unit("server", (sys.executable, "-c", SERVER, str(port)), Readiness("http", "http://127.0.0.1:1/", 20))
    first = asyncio.create_task(supervisor.ensure(never))
    async with asyncio.timeout(60):
        while "server" not in str(await supervisor.status()):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.02)
    assert await supervisor.ensure(server(port)) == "restarted"
    assert await first == "started"
    assert (await facts(supervisor, "server"))["state"] == "ready"


async def test_killed_unit_comes_back(supervisor: SupervisorClient) -> None:
    await supervisor.ensure(server(free_port()))
    pid = (await facts(supervisor, "server"))["pid"]
    os.kill(int(str(pid)), signal.SIGKILL)
    healed = await until(supervisor, "server", restarts=1, state="ready")
    assert healed["pid"] != pid


async def test_unit_that_keeps_crashing_is_failing_loudly_and_never_given_up(
    supervisor: SupervisorClient, tmp_path: Path
) -> None:
    mark, port = tmp_path / "crash", free_port()
    code = "import os, sys; os.path.exists(sys.argv[2]) and os._exit(7)\n"
    crashing = code + SERVER.replace(
        "def do_GET(self):", "def do_GET(self):\n        if os.path.exists(sys.argv[2]): os._exit(7)"
    )
    unit = Unit(
        "server", (sys.executable, "-c", crashing, str(port), str(mark)),
        Readiness("http", f"http://127.0.0.1:{port}/health", 20),
    )  # fmt: skip
    await supervisor.ensure(unit)
    os.kill(int(str((await facts(supervisor, "server"))["pid"])), signal.SIGKILL)
    mark.touch()
    failing = await until(supervisor, "server", state="failing")
    assert "crashed 5 times in a row, the last time it ended with status 7" in str(failing["detail"])
    log = (tmp_path / "logs" / "server.log").read_text()
    waits = [float(line.rsplit(" ", 2)[1]) for line in log.splitlines() if "starts again in" in line]
    assert waits[:5] == sorted(waits[:5])
    assert waits[4] > 4 * waits[0], "each wait is about twice the one before"
    mark.unlink()
    healed = await until(supervisor, "server", state="ready")
    assert healed["detail"] == f"was started again: it {failing['detail']}"


async def test_restore_brings_back_what_ran_and_stops_what_did_not(supervisor: SupervisorClient) -> None:
    kept, changed, new = server(free_port(), "kept"), server(free_port(), "changed"), server(free_port(), "new")
    for unit in (kept, changed):
        await supervisor.ensure(unit)
    before = {name: await facts(supervisor, name) for name in ("kept", "changed")}
    await supervisor.begin()
    await supervisor.ensure(replace(changed, environ={"NAME": "value"}))
    await supervisor.ensure(new)
    await supervisor.restore("changed", "new")
    status = await supervisor.status()
    assert status is not None
    units = cast("dict[str, dict[str, object]]", status["units"])
    assert {*units} == {"kept", "changed"}
    assert units["kept"] == before["kept"]
    assert units["changed"]["marks"] == before["changed"]["marks"]
    assert units["changed"]["state"] == "ready"


async def test_restore_starts_again_what_was_stopped_or_did_not_come_back(supervisor: SupervisorClient) -> None:
    port = free_port()
    await supervisor.ensure(server(port))
    await supervisor.begin()
    with pytest.raises(UnitFailedError):
        await supervisor.ensure(
            Unit("server", (sys.executable, "-c", "raise SystemExit(4)"), Readiness("tcp", "127.0.0.1:1"))
        )
    await supervisor.restore("server")
    assert (await facts(supervisor, "server"))["state"] == "ready"
    await supervisor.stop("server")
    await supervisor.restore("server")
    assert (await facts(supervisor, "server"))["state"] == "ready"


async def test_amended_unit_that_does_not_come_back_goes_on_as_it_was(supervisor: SupervisorClient) -> None:
    port = free_port()
    code = "import os; os.environ.get('NAME') == 'bad' and os._exit(5)\n" + SERVER
    unit = Unit("server", (sys.executable, "-c", code, str(port)), Readiness("http", f"http://127.0.0.1:{port}/", 20))
    await supervisor.ensure(unit)
    assert not await supervisor.amend("server", {"NAME": "bad"})
    assert (await facts(supervisor, "server"))["state"] == "ready"


async def test_restart_keeps_the_unit_and_its_open_port(supervisor: SupervisorClient) -> None:
    port = free_port()
    readiness = Readiness("http", f"http://127.0.0.1:{port}/health", 20)
    await supervisor.ensure(Unit("server", (sys.executable, "-c", INHERITING), readiness, listen=(port,)))
    before = await facts(supervisor, "server")
    restarting = asyncio.create_task(supervisor.restart("server"))
    while not restarting.done():
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
    assert await restarting == ["server"]
    after = await facts(supervisor, "server")
    assert after["pid"] != before["pid"]
    assert after["marks"] == before["marks"]
    assert after["fingerprint"] == before["fingerprint"]


async def test_another_release_may_look_and_end_but_not_change(supervisor: SupervisorClient, tmp_path: Path) -> None:
    async def ask(message: dict[str, object]) -> dict[str, object]:
        reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
        await write_message(writer, message)
        answer = await read_message(reader)
        writer.close()
        assert answer is not None
        return answer

    unit = unit_to_wire(server(free_port())) | {"field_of_tomorrow": 1}
    refused = await ask({"op": "ensure", "unit": unit, "fingerprint": "x", "protocol": PROTOCOL + 1})
    assert "salambot down" in str(refused["error"])
    assert "salambot down" in str((await ask({"op": "restart", "units": []}))["error"]), (
        "releases before had no version"
    )
    assert (await ask({"op": "status"}))["protocol"] == PROTOCOL
    assert (await ask({"op": "stop", "units": []})) == {"result": "stopped"}
    await supervisor.ensure(server(free_port()))


def test_a_changed_request_or_unit_is_another_protocol() -> None:
    """Who changes the shape of a unit or the requests gives them another number, and adds it here."""
    shape = [f"{field.name}: {field.type}" for shape in (Unit, Readiness) for field in fields(shape)]
    known = {2: "702e06"}
    assert hashlib.sha256("\n".join(shape).encode()).hexdigest()[:6] == known[PROTOCOL]


async def test_unit_that_ends_before_it_is_ready_fails_with_its_last_lines(supervisor: SupervisorClient) -> None:
    unit = Unit(
        "broken", (sys.executable, "-c", "raise SystemExit('no such table')"), Readiness("tcp", "127.0.0.1:1", 20)
    )
    with pytest.raises(UnitFailedError) as caught:
        await supervisor.ensure(unit)
    assert "ended with status 1" in caught.value.why
    assert "no such table" in caught.value.why


async def test_program_that_does_not_exist_fails(supervisor: SupervisorClient) -> None:
    with pytest.raises(UnitFailedError, match="missing did not start"):
        await supervisor.ensure(Unit("missing", ("/nonexistent/program",), Readiness("exit", seconds=5)))


async def test_unit_that_is_never_ready_fails_and_is_stopped(supervisor: SupervisorClient) -> None:
    silent = Unit("silent", (sys.executable, "-c", "input()"), Readiness("tcp", f"127.0.0.1:{free_port()}", 0.5))
    deaf = Unit(
        "deaf", (sys.executable, "-c", "import time; time.sleep(60)"), Readiness("tcp", f"127.0.0.1:{free_port()}", 0.5)
    )
    for unit in (silent, deaf):
        with pytest.raises(UnitFailedError):
            await supervisor.ensure(unit)
    status = await supervisor.status()
    assert status is not None
    assert status["units"] == {}


async def test_one_shot_runs_each_time_and_its_failure_shows(supervisor: SupervisorClient, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    unit = script("job", f"open({str(mark)!r}, 'a').write('x')")
    await supervisor.ensure(unit)
    await supervisor.ensure(unit)
    assert mark.read_text() == "xx"
    with pytest.raises(UnitFailedError):
        await supervisor.ensure(script("bad", "raise SystemExit(3)"))


async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    client = SupervisorClient(tmp_path)
    await client.launch()
    await client.ensure(server(free_port()))
    child = psutil.Process(int(str((await facts(client, "server"))["pid"])))
    status = await client.status()
    assert status is not None
    os.kill(int(str(status["pid"])), signal.SIGKILL)
    await asyncio.to_thread(child.wait, 10)
    assert await client.status() is None
    assert await client.launch()  # what the dead one held is free
    await client.shutdown()


async def test_shutdown_ends_a_child_that_ignores_its_signal(tmp_path: Path) -> None:
    code = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); exec(sys.argv[1])"
    port = free_port()
    client = SupervisorClient(tmp_path)
    await client.launch()
    stubborn = Unit(
        "stubborn", (sys.executable, "-c", code, SERVER.replace("sys.argv[1]", "sys.argv[2]"), str(port)),
        Readiness("http", f"http://127.0.0.1:{port}/", 20),
    )  # fmt: skip
    await client.ensure(stubborn)
    pid = int(str((await facts(client, "stubborn"))["pid"]))
    assert await client.shutdown()
    assert not psutil.pid_exists(pid)
    assert not await client.shutdown()


async def test_long_and_binary_lines_reach_the_log(supervisor: SupervisorClient, tmp_path: Path) -> None:
    code = r"import sys; sys.stdout.buffer.write(b'x' * 200_000 + b'\n\xff\xfe end\n')"
    await supervisor.ensure(script("chatty", code))
    text = (tmp_path / "logs" / "chatty.log").read_text()
    assert text.count("x") >= 200_000
    assert "end" in text


async def test_a_log_that_is_full_rolls_over_and_its_writer_goes_on(
    supervisor: SupervisorClient, tmp_path: Path
) -> None:
    """Whoever writes to a pipe that nobody reads any more hangs."""
    code = "for number in range(60_000): print(f'{number:0100}', flush=True)"
    await supervisor.ensure(script("talker", code, 60))
    lines = [
        line.rpartition(" ")[2]
        for name in ("talker.log.1", "talker.log")
        for line in (tmp_path / "logs" / name).read_text().splitlines()
    ]
    assert lines == [f"{number:0100}" for number in range(60_000)]
