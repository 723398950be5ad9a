"""Rendered files: exactly the variables of each service, and values that survive Compose's own reading."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salambot_cli.components.variables import REQUIRED
from salambot_cli.config.quoting import compose_env, compose_yaml
from salambot_cli.config.service_variables import variables_for
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS
from salambot_cli.render.compose import (
    ComposeFacts,
    Mount,
    config_label,
    is_unmodified,
    render_compose,
    render_example,
    secret_digests,
    secret_files,
)

MakeEnvironment = Callable[..., Environment]
PORTS = {"gateway": 18080, "orchestrateur": 18081, "nlu": 18082, "rag": 18083, "postgres": 15432, "redis": 16379}
NASTY = "p$a${s}s'w\"o#r d\\n\nسلام é\\"
OF_THE_NETWORK: dict[str, dict[str, str]] = {
    "gateway": {
        "ORCHESTRATEUR_URL": "http://orchestrateur:8081",
        "RAG_URL": "http://rag:8083",
        "NEAR_PEERS": "compose",
        "INGRESS_HOST": "0.0.0.0",  # noqa: S104 - inside its container
        "INGRESS_PORT": "8090",
    },
    "orchestrateur": {"RAG_URL": "http://rag:8083", "NLU_URL": "http://nlu:8082"},
    "worker": {"ORCHESTRATEUR_URL": "http://orchestrateur:8081"},
}
"""What compose/docker-compose.yml sets by itself."""
FACTS = ComposeFacts(
    project="salambot-demo-0123",
    image="salambot:0123",
    ports=PORTS,
    passwords={"POSTGRES_PASSWORD": Secret("pg-sentinel"), "REDIS_PASSWORD": Secret("redis-sentinel")},
    fingerprint_key=Secret("key-sentinel"),
)
VALUES = {name: f"{name.lower()}-sentinel" for names in REQUIRED.values() for name in names} | {"OPENAI_API_KEY": NASTY}


def compose_config(folder: Path) -> Any:  # noqa: ANN401 - Compose's own document
    """Ask the real Compose what it makes of the files in a folder. It needs no engine for that."""
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    command = ["docker", "compose", "config", "--format", "json"]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_read(document: Any) -> Any:  # noqa: ANN401
    """Undo the `$$` with which `docker compose config` prints a `$`."""
    return json.loads(json.dumps(document).replace("$$", "$"))


def keys_of(document: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield every key of a document, however deep."""
    if isinstance(document, dict):
        yield from document
    for value in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from keys_of(value)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


needs_compose = pytest.mark.docker


@needs_compose
@pytest.mark.parametrize("topology", [("local",), ("t2",), ("t1",), ("t1", "t3")])
def test_each_service_gets_its_variables_and_no_other(
    make_environment: MakeEnvironment, tmp_path: Path, topology: tuple[str, ...]
) -> None:
    environment = make_environment(*topology, variables=VALUES)
    write(tmp_path, render_compose(environment, FACTS))
    config = as_read(compose_config(tmp_path))
    assert config["name"] == "salambot-demo-0123"
    for service in PROGRAMS:
        expected = {name: v.reveal() for name, v in variables_for(environment, service).items()}
        assert config["services"][service]["environment"] == OF_THE_NETWORK.get(service, {}) | expected
    local = {part for part in ("postgres", "redis") if environment.placements[part] == "local"}  # type: ignore[index]
    assert set(config["services"]) == {*PROGRAMS, "migrate", *local}


@needs_compose
def test_containers_are_closed(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    write(tmp_path, render_compose(make_environment(variables=VALUES), FACTS))
    services = compose_config(tmp_path)["services"]
    for name, service in services.items():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))
        assert service["logging"]["options"]["max-size"]
        assert service["deploy"]["resources"]["limits"]["memory"]
        assert service["restart"] == ("no" if name == "migrate" else "on-failure:5")
        if name not in {"postgres", "redis"}:
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
    assert services["gateway"]["ports"][0]["published"] == "18080"
    assert services["gateway"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["orchestrateur"]["depends_on"]["rag"]["condition"] == "service_healthy"


def test_a_compose_as_old_as_the_oldest_engine_reads_the_files(make_environment: MakeEnvironment) -> None:
    """One attribute that it does not know makes Compose refuse a whole file; engine 24.0 came with Compose 2.18."""
    newer = {
        *("additional_contexts", "content", "develop", "gpus", "include", "label_file", "models"),
        *("post_start", "pre_stop", "provider", "required", "start_interval", "use_api_socket"),
    }
    files = render_compose(make_environment("t2", variables=VALUES), FACTS)
    for name in ("docker-compose.yml", "docker-compose.override.yml"):
        document = yaml.safe_load(files[name])
        assert "services" in document
        assert not newer & set(keys_of(document))


@needs_compose
def test_secrets_as_files_leave_no_value_in_any_rendered_file(
    make_environment: MakeEnvironment, tmp_path: Path
) -> None:
    environment = make_environment("t2", "t3", variables=VALUES)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    facts = replace(FACTS, secrets_folder=folder)
    files = render_compose(environment, facts)
    written = "".join(files.values())
    for name, secret in secret_files(environment, facts).items():
        (folder / name).write_text(secret.reveal())
        assert secret.reveal() not in written
        assert compose_env(secret.reveal()) not in written
    write(tmp_path, files)
    config = compose_config(tmp_path)
    for service in PROGRAMS:
        environ = config["services"][service].get("environment", {})
        given_as_files = {secret["source"] for secret in config["services"][service].get("secrets", [])}
        expected = variables_for(environment, service)
        assert (set(environ) | given_as_files) - set(OF_THE_NETWORK.get(service, {})) == set(expected)
        assert given_as_files == {name for name, v in expected.items() if isinstance(v.value, Secret)}


@pytest.mark.parametrize("topology", [("t2",), ("t2", "t3")])
@pytest.mark.parametrize(
    ("name", "value", "concerned"),
    [
        ("OPENAI_API_KEY", "sk-rotated", {"nlu"}),
        ("S3_BUCKET", "another", {"orchestrateur", "rag"}),
        ("META_APP_SECRET", "rotated", {"gateway"}),
        ("LOG_LEVEL", "DEBUG", set(PROGRAMS)),
    ],
)
def test_a_changed_variable_concerns_only_the_services_that_read_it(
    make_environment: MakeEnvironment,
    tmp_path: Path,
    topology: tuple[str, ...],
    name: str,
    value: str,
    concerned: set[str],
) -> None:
    facts = replace(FACTS, secrets_folder=tmp_path if "t3" in topology else None)
    held = {"META_APP_SECRET": "before", **VALUES}
    before, after = (make_environment(*topology, variables=values) for values in (held, {**held, name: value}))
    replaced = changed(config_label(before, facts), config_label(after, facts))
    told = changed(secret_digests(before, facts), secret_digests(after, facts))
    as_file = "t3" in topology and name in secret_files(after, facts)
    assert (replaced, told) == ((set(), concerned) if as_file else (concerned, set()))


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {part for part in before if before[part] != after[part]}


def test_a_rotated_password_replaces_no_container(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    """The stores take it while they run; who is replaced in the middle of it, refuses the one before."""
    environment = make_environment(variables=VALUES)
    facts = replace(FACTS, secrets_folder=tmp_path, only_own=True)
    other = replace(facts, passwords={name: Secret("another") for name in facts.passwords})
    assert config_label(environment, facts) == config_label(environment, other)
    assert changed(secret_digests(environment, facts), secret_digests(environment, other)) == {"postgres", "redis"}


def test_of_an_environment_without_a_vault_its_own_secrets_are_files(
    make_environment: MakeEnvironment, tmp_path: Path
) -> None:
    environment = make_environment("t2", variables=VALUES)
    made = {"INTERNAL_TOKEN": Variable("INTERNAL_TOKEN", Secret("made-sentinel"), "generated")}
    environment = replace(environment, variables={**environment.variables, **made})
    facts = replace(FACTS, secrets_folder=tmp_path, only_own=True)
    files = render_compose(environment, facts)
    assert set(secret_files(environment, facts)) == {"INTERNAL_TOKEN", *facts.passwords}
    assert "made-sentinel" not in "".join(files.values())
    assert compose_env(NASTY) in files[".env"]
    assert "made-sentinel" in render_compose(environment, FACTS)[".env"]


@needs_compose
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=12))
def test_any_value_survives_compose(tmp_path: Path, values: list[str]) -> None:
    names = [f"V{index}" for index in range(len(values))]
    env = "".join(f"{name}={compose_env(value)}\n" for name, value in zip(names, values, strict=True))
    lines = [
        f"      {name}: ${{{name}}}\n      Y{name}: {compose_yaml(v)}\n" for name, v in zip(names, values, strict=True)
    ]
    write(tmp_path, {".env": env, "docker-compose.yml": _ONE_SERVICE + "".join(lines) + "      END: x\n"})
    environ = compose_config(tmp_path)["services"]["one"]["environment"]
    assert [environ[name].replace("$$", "$") for name in names] == values
    assert [environ[f"Y{name}"].replace("$$", "$") for name in names] == values


_ONE_SERVICE = "services:\n  one:\n    image: one\n    environment:\n"


def test_the_example_holds_the_names_of_the_original_page(make_environment: MakeEnvironment) -> None:
    text = render_example(make_environment())
    names = re.findall(r"^([A-Z_0-9]+)=", text, flags=re.MULTILINE)
    assert names == [
        "TENANT",
        "ENV",
        "POSTGRES_URL",
        "REDIS_URL",
        "PINECONE_API_KEY",
        "PINECONE_INDEX",
        "AWS_REGION",
        "S3_BUCKET",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_SERVICE_NAME",
        "PUBLIC_BASE_URL",
        "OPENAI_API_KEY",
        "JWT_AUDIENCE",
        "JWT_ISSUER",
    ]


def test_a_changed_byte_is_noticed(make_environment: MakeEnvironment) -> None:
    for text in render_compose(make_environment(variables=VALUES), FACTS).values():
        assert is_unmodified(text)
        assert not is_unmodified(text + "# mine\n")
        assert not is_unmodified(text.split("\n", 1)[1])


@needs_compose
def test_mounts_and_hosts_reach_compose(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    mount = Mount(tmp_path / "it's a $file", "/run/salambot/jwks.json")
    facts = replace(FACTS, mounts={"gateway": (mount,)}, extra_hosts=("rds.example:172.17.0.1",))
    write(tmp_path, render_compose(make_environment(variables=VALUES), facts))
    gateway = as_read(compose_config(tmp_path))["services"]["gateway"]
    assert [(v["source"], v["target"], v["read_only"]) for v in gateway["volumes"]] == [
        (str(mount.source), mount.target, True)
    ]
    assert "rds.example=172.17.0.1" in gateway["extra_hosts"]
