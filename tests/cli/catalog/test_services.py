"""Each service gets the variables it needs and no other."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from salambot_cli.components.variables import is_known
from salambot_cli.config.service_variables import variables_for
from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, SERVICES, Program, Service

MakeEnvironment = Callable[..., Environment]

EVERYTHING = {
    "POSTGRES_URL": "postgres://u:p@rds.example/salambot?sslmode=verify-full",
    "REDIS_URL": "rediss://:p@cache.example:6379",
    "PINECONE_API_KEY": "pcsk_x",
    "PINECONE_INDEX": "salambot-kb",
    "AWS_REGION": "eu-west-1",
    "S3_BUCKET": "salambot-kb",
    "OPENAI_API_KEY": "sk-x",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example",
    "PUBLIC_BASE_URL": "https://x.trycloudflare.com",
    "QDRANT_API_KEY": "never asked for",
}


def test_t1_as_in_the_original_page(make_environment: MakeEnvironment) -> None:
    environment = make_environment("t1", variables=EVERYTHING)
    got = {service: set(variables_for(environment, service)) for service in SERVICES}
    assert got["gateway"] >= {
        "POSTGRES_URL",
        "REDIS_URL",
        "PUBLIC_BASE_URL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    }
    index = {"PINECONE_API_KEY", "PINECONE_INDEX", "AWS_REGION", "S3_BUCKET"}
    assert got["orchestrateur"] >= {"POSTGRES_URL", "REDIS_URL"} | index
    assert got["rag"] >= index
    assert "OPENAI_API_KEY" in got["nlu"]
    assert not got["nlu"] & ({"POSTGRES_URL", "REDIS_URL", "PUBLIC_BASE_URL"} | index)
    assert not got["gateway"] & ({"OPENAI_API_KEY"} | index)
    assert not got["rag"] & {"OPENAI_API_KEY", "PUBLIC_BASE_URL"}
    assert not any("QDRANT_API_KEY" in names for names in got.values())


def test_local_needs_nothing_of_the_cloud(make_environment: MakeEnvironment) -> None:
    environment = make_environment(variables=EVERYTHING)
    names = set().union(*(variables_for(environment, service) for service in SERVICES))
    assert not {n for n in names if n.startswith(("OTEL", "AWS", "S3", "PINECONE", "OPENAI"))}


def test_embedding_with_openai_gives_its_key_to_rag_and_the_jobs(make_environment: MakeEnvironment) -> None:
    environment = make_environment("t1", variables={**EVERYTHING, "EMBEDDER": "openai"})
    assert "OPENAI_API_KEY" in variables_for(environment, "rag")
    assert "OPENAI_API_KEY" in variables_for(environment, "orchestrateur")
    assert "OPENAI_API_KEY" not in variables_for(environment, "gateway")


def test_what_the_runtime_gives_stands_above_and_is_masked(make_environment: MakeEnvironment) -> None:
    environment = make_environment()
    given = {"POSTGRES_URL": "postgres://salambot:hunter2@postgres:5432/salambot", "NLU_URL": "http://nlu:8082"}
    variables = variables_for(environment, "orchestrateur", given)
    assert isinstance(variables["POSTGRES_URL"].value, Secret)
    assert variables["NLU_URL"].value == "http://nlu:8082"
    assert "hunter2" not in repr(variables)


@pytest.mark.parametrize("service", SERVICES)
def test_placements_reach_the_services_as_variables(make_environment: MakeEnvironment, service: Service) -> None:
    variables = variables_for(make_environment("t1", variables=EVERYTHING), service)
    assert variables["ENV"].reveal() == "cloud-local"
    assert variables["TENANT"].reveal() == "demo"
    if service == "orchestrateur":
        assert variables["VECTOR"].reveal() == "pinecone"
        assert variables["OBJECTS_URL"].reveal() == "s3://salambot-kb"


MADE_BY_THE_COMMAND = {
    "BUSINESSES",
    "CHANNEL_TENANTS",
    "CONSOLE_PLACEMENTS",
    "INGRESS_PORT",
    "LLM",
    "NLU_URL",
    "OBJECTS_URL",
    "ORCHESTRATEUR_URL",
    "RAG_URL",
    "VECTOR",
    "WIDGET",
}
"""From the topology and from salambot.toml: an environment need not set them."""
MADE_BY_A_RUNTIME = {"INGRESS_HOST", "NEAR_PEERS"}
"""Compose alone sets these, in the containers."""


def documented_variables(checkout: Path) -> dict[str, set[Program]]:
    """Return the services that read each variable of the table in docs/architecture.md."""
    page = (checkout / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("### Variables of the services")[1].split("\n#")[0]
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \|", table, re.MULTILINE)
    return {
        name: {program for program in PROGRAMS if "all" in readers.split() or re.search(rf"\b{program}\b", readers)}
        for names, readers in rows
        for name in re.findall(r"`([A-Z0-9_]+)`", names)
    }


def test_each_documented_variable_can_be_set_and_reaches_the_services_that_read_it(
    make_environment: MakeEnvironment, checkout: Path
) -> None:
    documented = documented_variables(checkout)
    assert len(documented) > 30
    settable = documented.keys() - MADE_BY_THE_COMMAND - MADE_BY_A_RUNTIME
    assert [name for name in settable if not is_known(name)] == []
    given = EVERYTHING | dict.fromkeys(settable, "1")
    environments = [
        make_environment("t1", variables=given | choice, placement=placement)
        for choice in ({"EMBEDDER": "openai"}, {"EMBEDDER": "onnx"})
        for placement in ({"vector": "qdrant"}, {"telemetry": "local"})
    ]
    reached = {
        name: {program for program in PROGRAMS for place in environments if name in variables_for(place, program)}
        for name in settable
    }
    assert {name: documented[name] - reached[name] for name in settable if documented[name] - reached[name]} == {}
