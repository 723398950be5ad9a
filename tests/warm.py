"""`salambot` in a process that has its libraries already: a server that forks a child for each command line.

A test runs hundreds of commands, and each would spend most of its time on imports. A forked child is a process of its
own like any other: its folder, environment, standard streams, signals and exit status are the command's.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import BinaryIO

import pytest

from tests.leaks import Worker

_LATE = ("salambot_cli.app", "salambot_cli.__main__", "salambot_cli.commands.")
"""What is imported by each command, because it looks at the terminal and the language as it loads."""
_LIBRARIES = (
    *("typer", "typer.core", "rich.console", "rich.table", "rich.markdown", "rich.progress", "httpx", "jinja2"),
    *("boto3", "botocore.session", "asyncpg", "redis.asyncio", "tomlkit", "psutil", "pydantic_settings"),
)
_CHECKOUT = Path(__file__).parent.parent


class WarmServer:
    """Forks children that run `salambot`; it has one thread, so that forking is safe."""

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "warm")
        self._ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", self._address], stdout=subprocess.PIPE, cwd=_CHECKOUT
        )

    def run(
        self, words: list[str], folder: Path, environ: Mapping[str, str], stdin: str, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command line to its end, as subprocess.run does."""
        with ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(4)]
            for file, content in zip(files, (json.dumps([words, str(folder), dict(environ)]), stdin), strict=False):
                file.write(content.encode())
                file.seek(0)
            status = self._call(files, words, seconds)
            texts = []
            for file in files[2:]:
                file.seek(0)
                texts.append(file.read().decode().replace("\r\n", "\n").replace("\r", "\n"))  # as text=True reads
            return subprocess.CompletedProcess(words, status, *texts)

    def _call(self, files: Sequence[BinaryIO], words: list[str], seconds: float) -> int:
        if not self._ready:
            assert self._process.stdout is not None
            self._ready = self._process.stdout.readline() == b"ready\n"
            assert self._ready
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._address)
            socket.send_fds(connection, [b"run"], [file.fileno() for file in files])
            connection.settimeout(seconds)
            with connection.makefile("r") as answers:
                pid = int(answers.readline())
                try:
                    return int(answers.readline())
                except TimeoutError:
                    os.kill(pid, 9)
                    raise subprocess.TimeoutExpired(words, seconds) from None

    def stop(self) -> None:
        """End the server; its children have ended."""
        self._process.kill()
        self._process.communicate()


_servers: list[WarmServer] = []
"""The one of this worker, once its session has begun."""


@pytest.fixture(scope="session", autouse=True)
def _warm_server(leak_worker: Worker) -> Iterator[None]:
    folder = leak_worker.scratch / "salambot"
    folder.mkdir()
    _servers.append(WarmServer(folder))
    yield
    _servers.pop().stop()
    shutil.rmtree(folder)


def run_warm(
    words: tuple[str, ...], folder: Path, environ: Mapping[str, str], stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `salambot words…` in a forked child of this worker's server."""
    return _servers[0].run(list(words), folder, environ, stdin, seconds)


def _preload() -> None:
    import salambot_cli

    for name in _LIBRARIES:
        import_module(name)
    for module in walk_packages(salambot_cli.__path__, "salambot_cli."):
        if not module.name.startswith(_LATE):
            import_module(module.name)


def _serve(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        os.write(1, b"ready\n")
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection)
                os._exit(0)
            connection.close()
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(connection: socket.socket) -> None:
    """Read one request, run it in a child, and send the child's id and then its status."""
    _, (asked, *streams), _, _ = socket.recv_fds(connection, 16, 4)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(asked, streams)
    with connection.makefile("w") as answers:
        answers.write(f"{child}\n")
        answers.flush()
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")


def _become(asked: int, streams: list[int]) -> None:
    """Turn this process into the command: its streams, folder, environment and arguments."""
    with open(asked) as request:
        words, folder, environ = json.load(request)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["salambot", *words]
    status: object = 1
    try:
        import_module("salambot_cli.__main__").main()
        status = 0
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter's own end does
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # type: ignore[attr-defined] # as at the interpreter's own end: wait for threads,
        atexit._run_exitfuncs()  # and do what was put off until the end
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    _preload()
    _serve(sys.argv[1])
