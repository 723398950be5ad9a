"""A real Prometheus that scrapes some ports of this machine with the shipped rules, and answers queries."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import httpx

from tests.servers import free_port, wait_until_it_answers

_SECONDS = 60


@dataclass(frozen=True)
class Prometheus:
    """Its HTTP API."""

    url: str
    targets: int

    def get(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return the list that an answer holds."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=query, timeout=10, trust_env=False)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        found: list[dict[str, Any]] = data["result"] if isinstance(data, dict) else data
        return found

    def numbers(self, query: str, moment: float | None = None) -> dict[str, float]:
        """Return the values of a query by their labels, those that are numbers; now, or at a Unix time."""
        at = {} if moment is None else {"time": str(moment)}
        values = {str(each["metric"]): float(each["value"][1]) for each in self.get("query", query=query, **at)}
        return {labels: value for labels, value in values.items() if not isnan(value)}

    def wait_for_numbers(self, query: str) -> None:
        """Wait until a query has values."""
        deadline = time.monotonic() + _SECONDS
        while not self.numbers(query):
            assert time.monotonic() < deadline, f"no number: {query}"
            time.sleep(0.2)

    def wait_for_scrapes(self) -> None:
        """Wait until every target was scraped from now on."""
        now = time.time()
        deadline = time.monotonic() + _SECONDS
        while len(self.numbers(f"timestamp(up == 1) > {now}")) < self.targets:
            assert time.monotonic() < deadline, self.get("query", query="up")
            time.sleep(0.2)


@contextmanager
def prometheus(folder: Path, ports: Sequence[int], rules: Path) -> Iterator[Prometheus]:
    """Run it until the block ends; it scrapes and computes every second, exemplars too."""
    shutil.copytree(rules, folder / "rules")
    for path in (folder / "rules").iterdir():
        path.write_text(path.read_text().replace("interval: 30s", "interval: 1s"))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(folder / "rules" / "*.yaml")],
        "scrape_configs": [
            {"job_name": "salambot", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # YAML holds JSON
    port = free_port()
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage", "--log.level=error",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        found = Prometheus(f"http://127.0.0.1:{port}", len(ports))
        try:
            wait_until_it_answers(process, found.url, "/-/ready")
            yield found
        finally:
            process.terminate()
