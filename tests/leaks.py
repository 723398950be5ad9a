"""Fails a test that leaves something behind: a process, a port, a file, a container, a changed environment.

Everything is told apart by worker, so tests may run beside one another: each worker has a TMPDIR of its own and a mark
in its environment, which the processes that it starts inherit.
"""

import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

MARK = "SALAMBOT_TEST_WORKER"
PATIENCE = 20.0
"""Seconds that what is ending gets to end."""
_VOLATILE = {"PYTEST_CURRENT_TEST"}
_ROOT = Path(__file__).parent.parent
_DOCKER = {
    "container": ("container", "ls", "--all", "--format", "{{.Names}}"),
    "volume": ("volume", "ls", "--format", "{{.Name}}"),
    "network": ("network", "ls", "--format", "{{.Name}}"),
}


@dataclass(frozen=True)
class Worker:
    """One pytest process: what is its own."""

    mark: str
    scratch: Path
    basetemp: Path
    reported: set[str] = field(default_factory=set)

    def owns(self, process: psutil.Process) -> bool:
        """Return whether this worker started a process, however it detached itself since."""
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.environ().get(MARK) == self.mark:
                return True
            places = [process.cwd(), *process.cmdline()]
            return any(str(folder) in place for place in places for folder in (self.scratch, self.basetemp))
        except psutil.Error:  # it ended, or it is another user's: not ours
            return False


@dataclass(frozen=True)
class Snapshot:
    """What stood at one moment."""

    pids: frozenset[int]
    servers: frozenset[tuple[str, ...]]
    """The command lines of the worker's own children: a wider fixture's server may be killed and started again."""
    ports: frozenset[int]
    threads: frozenset[threading.Thread]
    files: frozenset[Path]
    docker: frozenset[str]
    environment: dict[str, str]
    folder: Path


def _listening(process: psutil.Process) -> frozenset[int]:
    try:
        connections = process.net_connections(kind="inet")
    except psutil.Error:
        return frozenset()
    return frozenset(connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN)


def _command(process: psutil.Process) -> tuple[str, ...]:
    try:
        return tuple(process.cmdline())
    except psutil.Error:
        return ()


def _files_of_checkout() -> frozenset[Path]:
    """Return what stands at the top, where a command without a project would write. Tools' caches are no leak."""
    caches = (".hypothesis", "__pycache__", ".artifacts")  # the last: screenshots that are kept on purpose
    return frozenset(path for path in _ROOT.iterdir() if not path.name.endswith("_cache") and path.name not in caches)


def _files_of_worker(worker: Worker) -> frozenset[Path]:
    """Return what stands in its TMPDIR. The user's folder for sockets of long paths stays; its sockets do not."""
    shared = worker.scratch / f"salambot-{os.geteuid()}-run"
    return frozenset(worker.scratch.iterdir()) - {shared} | frozenset(shared.glob("*"))


def _docker_objects(worker: Worker) -> frozenset[str]:
    """Return what belongs to Compose projects of this worker's folders: a name holds the digest of the folder."""
    folders = [path for base in (worker.basetemp, worker.scratch) for path in (*base.glob("*/"), *base.glob("*/*/"))]
    digests = {hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8] for folder in folders}
    found: set[str] = set()
    for kind, command in _DOCKER.items():
        listing = subprocess.run(["docker", *command], capture_output=True, text=True, check=True, timeout=30)
        found.update(f"{kind} {name}" for name in listing.stdout.split() if any(digest in name for digest in digests))
    return frozenset(found)


def snapshot(worker: Worker, *, docker: bool) -> Snapshot:
    """Take stock. Costs about a millisecond, and 0.1 s where Docker is asked."""
    return Snapshot(
        pids=frozenset(psutil.pids()),
        servers=frozenset(_command(child) for child in psutil.Process().children()) - {()},
        ports=_listening(psutil.Process()),
        threads=frozenset(thread for thread in threading.enumerate() if not thread.daemon),
        files=_files_of_worker(worker) | _files_of_checkout(),
        docker=_docker_objects(worker) if docker else frozenset(),
        environment={name: value for name, value in os.environ.items() if name not in _VOLATILE},
        folder=Path.cwd(),
    )


def _new_processes(worker: Worker, before: Snapshot, after: frozenset[int]) -> list[psutil.Process]:
    """Return this worker's new processes, but not what a server of a wider fixture started for itself."""
    found = []
    for pid in sorted(after - before.pids):
        try:
            process = psutil.Process(pid)
            line = [process, *process.parents()]
        except psutil.Error:
            continue
        line = [one for one in line if one.pid != os.getpid() and worker.owns(one)]
        if line and not any(one.pid in before.pids or _command(one) in before.servers for one in line):
            found.append(process)
    return found


def _describe(process: psutil.Process) -> str:
    try:
        command = " ".join(process.cmdline()).strip()[:200] or process.name()
        ports = "".join(f", listening on port {port}" for port in sorted(_listening(process)))
    except psutil.Error:
        return f"process {process.pid}, which has ended since"
    return f"process {process.pid}: {command}{ports}"


def differences(worker: Worker, before: Snapshot, *, docker: bool) -> tuple[list[str], list[psutil.Process]]:
    """Return what stands now and did not before, in words, and the processes among it."""
    after = snapshot(worker, docker=docker)
    processes = _new_processes(worker, before, after.pids)
    found = [_describe(process) for process in processes]
    found += [f"port {port}, which the test itself still listens on" for port in sorted(after.ports - before.ports)]
    found += [f"thread {thread.name}" for thread in after.threads - before.threads]
    found += [f"file {path}" for path in sorted(after.files - before.files)]
    found += sorted(after.docker - before.docker)
    names = sorted(before.environment.keys() | after.environment.keys())
    found += [f"variable {n}" for n in names if before.environment.get(n) != after.environment.get(n)]
    found += [f"working directory {after.folder}"] if after.folder != before.folder else []
    return found, processes


def _clear(before: Snapshot, worker: Worker, processes: list[psutil.Process]) -> None:
    """Put right what can be, so that the next test is not blamed for this one."""
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=PATIENCE)
    for path in _files_of_worker(worker) - before.files:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in set(os.environ) - set(before.environment) - _VOLATILE:
        del os.environ[name]
    os.environ.update(before.environment)
    os.chdir(before.folder)


def require_nothing_new(worker: Worker, before: Snapshot, who: str, *, docker: bool) -> None:
    """Fail with the precise list when something stays, once, and clear it away."""
    deadline = time.monotonic() + PATIENCE
    found, processes = differences(worker, before, docker=docker)
    while found and time.monotonic() < deadline:
        time.sleep(0.02)
        found, processes = differences(worker, before, docker=docker)
    _clear(before, worker, processes)
    fresh = [what for what in found if what not in worker.reported]
    worker.reported.update(found)
    if fresh:
        pytest.fail(f"{who} left behind:\n  " + "\n  ".join(fresh), pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def leak_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Give this worker its mark and its TMPDIR, and see that the wider fixtures leave nothing either."""
    mark = secrets.token_hex(8)
    scratch = Path(tempfile.mkdtemp(prefix="salambot-test-"))
    scratch.chmod(0o755)  # Postgres runs as somebody else, and has to pass
    worker = Worker(mark, scratch, tmp_path_factory.getbasetemp())
    outer = {name: os.environ.get(name) for name in ("TMPDIR", MARK)}
    os.environ.update({"TMPDIR": str(scratch), MARK: mark})
    tempfile.tempdir = None
    before = snapshot(worker, docker=False)
    try:
        yield worker
        require_nothing_new(worker, before, "a fixture of this module or session", docker=False)
    finally:
        for name, value in outer.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        tempfile.tempdir = None
        shutil.rmtree(scratch)


@pytest.fixture(autouse=True)
def leaves_nothing_behind(leak_worker: Worker, request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare before and after each test. It is set up before the test's own fixtures, and so looks after them."""
    docker = request.node.get_closest_marker("docker") is not None
    before = snapshot(leak_worker, docker=docker)
    yield
    require_nothing_new(leak_worker, before, "this test", docker=docker)
