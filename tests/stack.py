"""A project in a folder of its own, and the `salambot` command run in it the way a person would."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.warm import run_warm

ALL_AUTO = "[ports]\n" + "".join(f'{name} = "auto"\n' for name in ("gateway", "orchestrateur", "nlu", "rag"))
SECONDS = 390
_READ_BY_PYTHON = ("PYTHON", "LANG", "LC_")
"""What the interpreter itself reads when it starts: a child of a running one would not notice."""


@dataclass(frozen=True)
class Project:
    """A folder with a `salambot.toml`, where no default port is taken."""

    folder: Path

    def run(
        self, *words: str, status: int | None = 0, stdin: str = "", seconds: float = SECONDS, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `salambot words…`; check its exit status unless that is None. Only --debug shows a traceback."""
        if any(name.startswith(_READ_BY_PYTHON) for name in environ):
            done = run_cold(words, self.folder, os.environ | environ, stdin, seconds)
        else:
            done = run_warm(words, self.folder, os.environ | environ, stdin, seconds)
        assert status is None or done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "--debug" in words or "Traceback" not in done.stderr
        return done

    def json(self, *words: str, status: int | None = 0, seconds: float = SECONDS, **environ: str) -> dict[str, Any]:
        """Run a command with --json; return its one document."""
        text = self.run(*words, "--json", status=status, seconds=seconds, **environ).stdout
        document: dict[str, Any] = json.loads(text)
        assert document["schema_version"] == "1.0"
        return document

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            command(*words), cwd=self.folder, env=os.environ | environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / ".salambot"

    def processes(self) -> list[psutil.Process]:
        """Return every process of this project, however it was started."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            places = [process.cwd(), *process.cmdline()]
        except psutil.Error:
            return False
        return process.pid != os.getpid() and any(str(self.folder) in place for place in places)


def run_cold(
    words: tuple[str, ...], folder: Path, environ: Mapping[str, str], stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `salambot words…` by a Python of its own, as a person does."""
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=environ,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def command(*words: str) -> list[str]:
    """Return the command line of `salambot words…`."""
    return [sys.executable, "-m", "salambot_cli", *words]


def make_project(folder: Path, toml: str = "") -> Project:
    """Write a configuration with free ports, and what else it should hold."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "salambot.toml").write_text(f'runtime = "process"\n{toml}\n{ALL_AUTO}')
    return Project(folder)


def on_a_terminal(project: Project, *words: str, answers: str = "") -> tuple[int, str]:
    """Run a command as a person does, on a terminal of its own; return its exit status and the screen's text."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command(*words), cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, answers.encode())
    screen = bytearray()
    with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
        while part := os.read(ours, 65536):
            screen += part
    os.close(ours)
    return process.wait(timeout=SECONDS), screen.decode(errors="replace")


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Start the usual stack once for the tests of the group `local-stack`, which leave it running."""
    project = make_project(tmp_path_factory.mktemp("stack") / "shop")
    assert project.json("up")["status"] == "ready"
    yield project
    project.run("down")
    assert project.processes() == []
