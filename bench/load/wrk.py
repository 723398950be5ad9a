"""A load of POST requests by wrk, which takes little of the processors from who is measured."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.load.closed import Figures, Job

_SCRIPT = Path(__file__).with_suffix(".lua")


def put_load(job: Job) -> Figures:
    """Put a load on; exits when any request fails, or where there is no wrk."""
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk is not installed: sudo apt install wrk")
    headers = {"Content-Type": "application/json", **job.headers}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as sent:
        sent.write("\n".join([*(f"{name}: {value}" for name, value in headers.items()), "", *job.bodies]))
        sent.flush()
        size = ["--threads", "1", "--connections", str(job.concurrency), "--duration", f"{job.seconds:.0f}s"]
        command = [program, *size, "--timeout", "30s", "--script", _SCRIPT, job.url, "--", sent.name]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures = Figures(**json.loads(said.splitlines()[-1]))
    if figures.failed:
        raise SystemExit(f"{figures.failed} of {figures.requests} requests to {job.url} failed")
    return figures
