"""The optional containers of telemetry, as Docker Compose reads them; no image is pulled."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.docker
CONTAINERS = ("collector", "lgtm")


def resolved(checkout: Path, *profiles: str) -> dict[str, Any]:
    """Return the Compose file as `docker compose config` understands it."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    command = ["docker", "compose", "-f", "compose/docker-compose.yml", *chosen, "config", "--format", "json"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_they_are_there_only_where_they_are_asked_for(checkout: Path) -> None:
    assert not set(CONTAINERS) & set(resolved(checkout)["services"])
    assert set(CONTAINERS) <= set(resolved(checkout, *CONTAINERS)["services"])
    assert resolved(checkout, "lgtm")["services"]["lgtm"]["ports"][0]["host_ip"] == "127.0.0.1"


def collector_config(checkout: Path) -> str:
    """Return the collector's configuration as it finds it in its container."""
    text: str = resolved(checkout, "collector")["services"]["collector"]["environment"]["COLLECTOR_CONFIG"]
    return text.replace("$$", "$")


def test_services_that_are_processes_reach_both_on_this_machine_alone(checkout: Path) -> None:
    services = resolved(checkout, *CONTAINERS)["services"]
    published = {name: [port for port in services[name]["ports"] if port["target"] == 4318] for name in CONTAINERS}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}
    assert len({port["published"] for ports in published.values() for port in ports}) == len(CONTAINERS)


def test_the_collector_itself_takes_its_configuration(checkout: Path, tmp_path: Path) -> None:
    image = resolved(checkout, "collector")["services"]["collector"]["image"]
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
        pytest.skip(f"the image is not here: docker pull {image}")
    file = tmp_path / "config.yaml"
    file.write_text(collector_config(checkout))
    command = ["docker", "run", "--rm", "--network", "none", "--volume", f"{file}:/config.yaml:ro"]
    command += ["--env", "COLLECTOR_ENDPOINT=http://lgtm:4318", image, "validate", "--config=/config.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("value", "is_masked"),
    [
        ("sara@example.com", True),
        ("MA64 0115 1900 0001 2050 0053 4921", True),
        ("+212 6 12 34 56 78", True),
        ("0612345678", True),
        ("06.12.34.56.78", True),
        ("BE123456", True),
        ("/v1/generate/reply", False),
        ("0af7651916cd43dd8448eb211c80319c", False),
        ("api.openai.com:443", False),
        ("gpt-4.1-mini-2025-04-14", False),
    ],
)
def test_what_the_collector_masks(checkout: Path, value: str, is_masked: bool) -> None:
    patterns = yaml.safe_load(collector_config(checkout))["processors"]["redaction"]["blocked_values"]
    assert any(re.search(pattern, value) for pattern in patterns) is is_masked


def test_the_collector_batches_limits_redacts_and_samples(checkout: Path) -> None:
    config = yaml.safe_load(collector_config(checkout))
    traces = config["service"]["pipelines"]["traces"]["processors"]
    assert traces == ["memory_limiter", "redaction", "tail_sampling", "batch"]
    assert {policy["type"] for policy in config["processors"]["tail_sampling"]["policies"]} == {
        "status_code", "latency", "probabilistic",
    }  # fmt: skip
    assert config["exporters"]["otlphttp"]["endpoint"] == "${env:COLLECTOR_ENDPOINT}"
    for pipeline in config["service"]["pipelines"].values():
        assert set(pipeline["processors"]) <= set(config["processors"])
        assert pipeline["processors"][0] == "memory_limiter"
