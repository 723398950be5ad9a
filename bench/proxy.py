"""The whole path beside LiteLLM's proxy, the same upstream behind both: `python -m bench.proxy`.

Load and upstream are wrk and nginx: written in Python they would take a sixth of the machine from who is measured.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.chain import await_answer, bare_chain, bodies, medians
from bench.load.closed import Figures, Job
from bench.load.wrk import put_load
from bench.stack import running_stack
from bench.table import Row, markdown, put
from bench.upstream import completion
from salambot_cli.host.ports import free_port

PEER = "litellm[proxy]==1.*"
ROUNDS, SECONDS, WARM_UP, CONCURRENCY = 7, 6.0, 3.0, 16
TOGETHER = "gateway,orchestrateur,rag"
KEY = f"sk-{secrets.token_hex(32)}"
"""Of both, made for this run: LiteLLM refuses to start without one."""


_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 10000000; client_body_temp_path {folder}/bodies;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{said}'; }} }}
}}
"""


@contextmanager
def started(command: list[str], url: str, environ: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server until the block ends."""
    process = subprocess.Popen(command, env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL)
    try:
        await_answer(url, seconds=120)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def upstream() -> Iterator[str]:
    """Run the model; yield its base URL."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with started([sys.executable, "-m", "bench.upstream", str(port)], f"{base}/v1/models"):
        yield f"{base}/v1"


@contextmanager
def quick_upstream(folder: Path) -> Iterator[str]:
    """Run a model that says one thing to everybody, at once, whole; yield its base URL."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not installed: sudo apt install nginx-light")
    port = free_port()
    said = json.dumps(completion("bench"), ensure_ascii=False)
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, said=said), encoding="utf-8")
    with started([program, "-c", str(config), "-p", str(folder)], f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}/v1"


def peer_program(folder: Path) -> Path:
    """Install LiteLLM into an environment of its own."""
    home = folder / "peer"
    venv.create(home, with_pip=True)
    subprocess.run([home / "bin" / "pip", "install", "--quiet", PEER], check=True)
    return home / "bin" / "litellm"


@contextmanager
def litellm(folder: Path, program: Path, model: str) -> Iterator[str]:
    """Run LiteLLM's proxy in front of the model; yield its URL."""
    port = free_port()
    config = folder / "config.yaml"
    one = {"model_name": "bench", "litellm_params": {"model": "openai/bench", "api_base": model, "api_key": KEY}}
    config.write_text(json.dumps({"model_list": [one]}))  # JSON is YAML
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    base = f"http://127.0.0.1:{port}"
    with started(
        command, f"{base}/health/liveliness", {"PYTHONPATH": "", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
    ):
        yield f"{base}/v1/chat/completions"


def asked() -> list[str]:
    """Return what the peer is asked."""
    return [
        json.dumps({"model": "bench", "messages": [{"role": "user", "content": json.loads(body)["data"]["prompt"]}]})
        for body in bodies()
    ]


def behind(model: str) -> dict[str, str]:
    """Return the variables of a stack that asks this model."""
    insecure = {"SALAMBOT_PLACEMENT_LLM": "openai", "SALAMBOT_ALLOW_INSECURE": "llm"}
    return insecure | {"OPENAI_BASE_URL": model, "OPENAI_API_KEY": KEY}


def measure(folder: Path, program: Path) -> list[Row]:
    """Load all in turn, and compare the medians of the rounds."""
    found: dict[str, list[Figures]] = {"litellm": [], "bare": [], "apart": [], "ours": []}
    with (
        quick_upstream(folder) as model,
        litellm(folder, program, model) as peer,
        bare_chain({"MODEL_URL": model}) as bare,
        running_stack(behind(model)) as apart,
        running_stack(behind(model) | {"SALAMBOT_TOGETHER": TOGETHER}) as together,
    ):
        jobs = {
            "litellm": (peer, asked(), {"Authorization": f"Bearer {KEY}"}),
            "bare": (bare, bodies(), {}),
            "apart": (f"{apart.gateway}/v1/generate/reply", bodies(), apart.headers),
            "ours": (f"{together.gateway}/v1/generate/reply", bodies(), together.headers),
        }
        for url, sent, headers in jobs.values():
            put_load(Job(url, sent, CONCURRENCY, WARM_UP, headers))
        for _ in range(ROUNDS):
            for name, (url, sent, headers) in jobs.items():
                found[name].append(put_load(Job(url, sent, CONCURRENCY, SECONDS, headers)))
    (rate, p99), (their_rate, their_p99) = medians(found["ours"]), medians(found["litellm"])
    others = {
        "requests of services that are each a process": medians(found["apart"])[0],
        "requests of a bare chain that asks the same model": medians(found["bare"])[0],
    }
    return [
        Row("requests at 16 connections", rate, their_rate, "/s", their_rate * 10, "≥ 10 ×", more_is_better=True),
        Row("slowest hundredth at 16 connections", p99, their_p99, "ms", their_p99 / 4, "≤ 1/4"),
        *(Row(what, theirs, their_rate, "/s", 0, "", more_is_better=True) for what, theirs in others.items()),
    ]


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(prog="bench.proxy", description=__doc__)
    parser.add_argument("--peer", type=Path, help="a `litellm` that is installed already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="salambot-bench-") as name:
        folder = Path(name)
        table = markdown(measure(folder, given.peer or peer_program(folder)))
    print(table)
    put("proxy", table)


if __name__ == "__main__":
    main()
