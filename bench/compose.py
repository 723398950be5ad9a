"""Runtime `compose` beside plain `docker compose` with the same files: how fast it comes, and what the image weighs."""

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.stack import ROOT, run, use_free_ports
from bench.table import Row, markdown, put

ROUNDS = 5
_PASSED_ON = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")
MEGABYTE = 1_000_000


def engine_answers() -> bool:
    """Return whether containers can run here."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0 and (
        subprocess.run(["docker", "version"], capture_output=True, timeout=20, check=False).returncode == 0
    )


def docker(*words: str, folder: Path) -> tuple[str, float]:
    """Run docker with nothing of the environment's own variables; return what it printed and its seconds."""
    clean = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    started = time.perf_counter()
    done = subprocess.run(["docker", *words], cwd=folder, env=clean, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"docker {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout, time.perf_counter() - started


@contextmanager
def a_built_project() -> Iterator[Path]:
    """Yield a project whose image is built and whose data is in place; it is stopped and gone at the end."""
    with tempfile.TemporaryDirectory(prefix="salambot-bench-") as folder:
        project = Path(folder)
        use_free_ports(project)
        toml = project / "salambot.toml"
        toml.write_text(f'runtime = "compose"\n{toml.read_text()}')
        try:
            run(project, "up", "--seed")
            yield project
        finally:
            run(project, "down", "--volumes", "--yes")


def megabytes(image: str) -> float:
    """Return the size of an image."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", image, folder=ROOT)[0]) / MEGABYTE


def sizes(rendered: Path) -> tuple[float, float]:
    """Return the megabytes of the image of the services, and of its base."""
    named = re.search(r"^ARG BASE=(\S+)", (ROOT / "services" / "Dockerfile").read_text(), re.MULTILINE)
    config = json.loads(docker("compose", "config", "--format", "json", folder=rendered)[0])
    return megabytes(config["services"]["gateway"]["image"]), megabytes(named[1] if named else "")


def measure() -> list[Row]:
    """Start the same containers both ways in turn; then ask both again where nothing changed."""
    starts: list[tuple[float, float]] = []
    again: list[tuple[float, float]] = []
    renders: list[tuple[float, float]] = []
    with a_built_project() as project:
        rendered = project / ".salambot" / "rendered"
        for _ in range(ROUNDS):
            run(project, "down")
            plain = docker("compose", "up", "--detach", "--wait", folder=rendered)[1]
            docker("compose", "down", folder=rendered)
            starts.append((run(project, "up", "--no-seed")[1], plain))
            plain = docker("compose", "up", "--detach", "--wait", folder=rendered)[1]
            again.append((run(project, "up")[1], plain))
            renders.append((run(project, "render")[1], docker("compose", "config", "--quiet", folder=rendered)[1]))
        image, base = sizes(rendered)
    (start, plain), (same, plain_same), (render, config) = (
        [statistics.median(times) for times in zip(*pairs, strict=True)] for pairs in (starts, again, renders)
    )
    return [
        Row("`up` on built images, beside `docker compose up --wait`", start, plain, "s", plain * 1.25, "≤ 1.25 ×"),
        Row("`up` again, nothing changed, beside the same", same, plain_same, "s", 1.5, "≤ 1.5 s"),
        Row("`render`, beside `docker compose config`", render * 1000, config * 1000, "ms", 400, "≤ 400 ms"),
        Row("the image, beside its base", image, base, "MB", base + 350, "≤ base + 350 MB"),
    ]


if __name__ == "__main__":
    put("compose", table := markdown(measure()))
    print(table)
