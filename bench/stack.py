"""The whole stack: how fast it comes and goes, what it weighs, and how long a newcomer waits for a first answer."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.command import SALAMBOT
from bench.table import Row, markdown

ROUNDS = 3
ROOT = Path(__file__).parent.parent
CHAINS = (("gateway",), ("orchestrateur",), ("nlu",), ("rag",))
"""Each service with nothing but what it needs to start: the parts of `up`, one chain at a time."""
QUESTION = "C'est quoi votre politique de remboursement ?"


@dataclass(frozen=True)
class Stack:
    """A running stack: its project, and what a request needs."""

    project: Path
    gateway: str
    headers: dict[str, str]


def run(project: Path, *arguments: str, command: str = SALAMBOT) -> tuple[str, float]:
    """Run the command in a project; return what it printed and its seconds."""
    unlimited = {"RATE_LIMIT_GENERATE": "10000000/minute", "RATE_LIMIT_CLIENT": "10000000/minute"}
    settings = os.environ | {"SALAMBOT_PROJECT": str(project)} | unlimited
    started = time.perf_counter()
    answer = subprocess.run(
        [command, *arguments], check=False, env=settings, capture_output=True, text=True, timeout=180
    )
    if answer.returncode:
        raise SystemExit(f"{command} {' '.join(arguments)} ended with {answer.returncode}:\n{answer.stderr}")
    return answer.stdout, time.perf_counter() - started


def up(project: Path, *services: str) -> tuple[dict[str, Any], float]:
    """Start the stack, or some services with what they need; return the document and the seconds it took."""
    text, seconds = run(project, "up", *services, "--runtime", "process", "--json")
    return json.loads(text), seconds


def use_free_ports(project: Path) -> None:
    """Configure a project so that it runs beside whatever else runs here."""
    ports = "".join(f'{name} = "auto"\n' for name in ("gateway", "orchestrateur", "nlu", "rag"))
    (project / "salambot.toml").write_text(f"[ports]\n{ports}")


@contextmanager
def a_project() -> Iterator[Path]:
    """Yield a project of its own on free ports, stopped and gone at the end."""
    with tempfile.TemporaryDirectory(prefix="salambot-bench-") as folder:
        project = Path(folder)
        project.chmod(0o755)
        use_free_ports(project)
        try:
            yield project
        finally:
            run(project, "down")


@contextmanager
def running_stack(variables: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Yield a running stack that limits nobody's rate, with these variables in its `.env`."""
    with a_project() as project:
        dotenv = project / ".env"
        dotenv.touch(mode=0o600)
        dotenv.write_text("".join(f"{name}={value}\n" for name, value in (variables or {}).items()))
        document, _ = up(project)
        token = run(project, "token")[0].strip()
        yield Stack(project, document["services"]["gateway"]["url"], {"Authorization": f"Bearer {token}"})


def resident_mebibytes(project: Path) -> dict[str, float]:
    """Return each process of the stack with its proportional set size: memory that several share counts once."""
    sizes: dict[str, float] = {}
    for process in psutil.process_iter():
        try:
            places = [process.cwd(), *process.cmdline()]
            if process.pid != os.getpid() and any(str(project) in place for place in places):
                name = f"{process.pid} {' '.join(process.cmdline())[-60:].strip()}"
                sizes[name] = process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue
    return sizes


def first_answer() -> float:
    """Return the seconds from a fresh clone, with pip's cache warm, to the first answer of the chat."""
    with tempfile.TemporaryDirectory(prefix="salambot-clone-") as folder:
        Path(folder).chmod(0o755)
        started = time.perf_counter()
        clone = Path(folder) / "salambot"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        use_free_ports(clone)
        command = str(clone / "salambot")
        try:
            run(clone, "up", "--runtime", "process", command=command)
            run(clone, "chat", QUESTION, command=command)
            return time.perf_counter() - started
        finally:
            run(clone, "down", command=command)


def _cycle(project: Path, *services: str) -> tuple[float, float]:
    """Return the seconds that a start and a stop take."""
    _, start = up(project, *services)
    _, stop = run(project, "down")
    return start, stop


def measure() -> list[Row]:
    """Start and stop a warm stack and each chain of its parts several times, weigh it, and be a newcomer once."""
    with a_project() as project:
        up(project)
        sizes = resident_mebibytes(project)
        weight, services = (
            sum(sizes.values()),
            sum(size for name, size in sizes.items() if "salambot.http.server" in name),
        )
        run(project, "down")
        rounds = [{chain: _cycle(project, *chain) for chain in ((), *CHAINS)} for _ in range(ROUNDS)]
    start, stop = (statistics.median(times) for times in zip(*(one[()] for one in rounds), strict=True))
    longest = max(statistics.median(one[chain][0] for one in rounds) for chain in CHAINS)
    return [
        Row("warm `up`", start, None, "s", 6, "≤ 6 s"),
        Row("warm `up`, beside its longest chain alone", start, longest, "s", longest * 1.3, "≤ 1.3 ×"),
        Row("`down`", stop, None, "s", 3, "≤ 3 s"),
        Row("idle stack, resident", weight, None, "MiB", 450, "≤ 450 MiB"),
        Row("its four services", services, None, "MiB", 300, "≤ 300 MiB"),
        Row("fresh clone to the first answer", first_answer(), None, "s", 60, "≤ 60 s"),
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["memory"]:
        with running_stack() as stack:
            for name, size in sorted(resident_mebibytes(stack.project).items(), key=lambda item: -item[1]):
                print(f"{size:8.1f} MiB  {name}")
    else:
        print(markdown(measure()))
