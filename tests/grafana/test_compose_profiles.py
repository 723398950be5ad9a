"""The optional containers of telemetry, as Docker Compose reads them; no image is pulled."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.docker


def resolved(checkout: Path, *profiles: str) -> dict[str, Any]:
    """Return the Compose file as `docker compose config` understands it."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    command = ["docker", "compose", "-f", "compose/docker-compose.yml", *chosen, "config", "--format", "json"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_they_are_there_only_where_they_are_asked_for(checkout: Path) -> None:
    assert not {"collector", "lgtm"} & set(resolved(checkout)["services"])
    assert {"collector", "lgtm"} <= set(resolved(checkout, "collector", "lgtm")["services"])
    assert resolved(checkout, "lgtm")["services"]["lgtm"]["ports"][0]["host_ip"] == "127.0.0.1"


def test_the_collector_batches_limits_redacts_and_samples(checkout: Path) -> None:
    text = resolved(checkout, "collector")["services"]["collector"]["environment"]["COLLECTOR_CONFIG"]
    config = yaml.safe_load(text.replace("$$", "$"))
    traces = config["service"]["pipelines"]["traces"]["processors"]
    assert traces == ["memory_limiter", "redaction", "tail_sampling", "batch"]
    assert {policy["type"] for policy in config["processors"]["tail_sampling"]["policies"]} == {
        "status_code", "latency", "probabilistic",
    }  # fmt: skip
    assert config["exporters"]["otlphttp"]["endpoint"] == "${env:COLLECTOR_ENDPOINT}"
    for pipeline in config["service"]["pipelines"].values():
        assert set(pipeline["processors"]) <= set(config["processors"])
        assert pipeline["processors"][0] == "memory_limiter"
