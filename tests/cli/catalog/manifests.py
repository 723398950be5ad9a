"""The Kubernetes manifests of an environment as documents, and what Compose gives the same programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from salambot_cli.config.load import load_environment
from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret
from salambot_cli.render.compose import ComposeFacts, render_compose
from salambot_cli.render.kubernetes import ClusterFacts, render_kubernetes
from salambot_cli.stack.runtimes.container_view import environment_with_addresses, own_secrets

Document = dict[str, Any]
PASSWORDS = {"POSTGRES_PASSWORD": Secret("sentinel-own-pg"), "REDIS_PASSWORD": Secret("sentinel-own-redis")}
CLOUD = {
    "POSTGRES_URL": "postgres://u:sentinel-pg@db.eu-west-1.rds.amazonaws.com:5433/salambot?sslmode=verify-full",
    "REDIS_URL": "rediss://:sentinel-redis@cache.amazonaws.com:6380",
    "PINECONE_API_KEY": "sentinel-pinecone",
    "PINECONE_INDEX": "salambot-kb",
    "AWS_REGION": "eu-west-1",
    "S3_BUCKET": "salambot-kb",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example:4318",
    "OPENAI_API_KEY": "sentinel-openai",
    "META_PAGE_TOKEN": "sentinel-page",
    "PUBLIC_BASE_URL": "https://chat.example",
}
TOML = {
    "local": 'tenant = "demo"\n',
    "env": 'topology = ["t1"]\n',
    "vault": 'topology = ["t1", "t3"]\n[aws]\nregion = "eu-west-1"\nsecret = "salambot/demo"\n'
    '[postgres]\nca = "ca.pem"\n',
    "table": 'topology = ["t2", "t3"]\n[placement]\nvector = "qdrant"\n[aws]\nregion = "eu-west-1"\n'
    '[aws.secret]\nOPENAI_API_KEY = "models#openai"\nQDRANT_API_KEY = "qdrant"\n',
}


def environment_of(folder: Path, kind: str) -> Environment:
    """Load one of the environments, as the containers of any engine see it."""
    (folder / "salambot.toml").write_text(TOML[kind])
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    known = {} if kind == "local" else {**CLOUD, "QDRANT_URL": "https://qdrant.example:6333", "QDRANT_API_KEY": "q"}
    environment = load_environment(folder, environ=known)
    return environment_with_addresses(environment, own_secrets(environment))


def rendered(environment: Environment, image: str = "registry.example:5000/salambot:1.2") -> dict[str, str]:
    """Render for Kubernetes."""
    public = {"jwks.json": '{"keys": []}\n', "postgres-ca.pem": "ca\n"}
    return render_kubernetes(environment, ClusterFacts(image, "123456789012", public, PASSWORDS))


def documents(files: Mapping[str, str]) -> list[Document]:
    """Return every object of the base."""
    manifests = [text for name, text in files.items() if name.startswith("base/") and name.endswith(".yaml")]
    found = [document for text in manifests for document in yaml.safe_load_all(text)]
    return [document for document in found if document["kind"] != "Kustomization"]


def pods(found: list[Document]) -> dict[str, Document]:
    """Return the pod specification of each workload by name; of the job without the hash."""
    workloads = [d for d in found if d["kind"] in {"Deployment", "StatefulSet", "Job"}]
    return {d["metadata"]["name"].split("-")[0]: d["spec"]["template"]["spec"] for d in workloads}


def variables(container: Document) -> set[str]:
    """Return the names of what a container gets."""
    return {entry["name"] for entry in container["env"]}


def compose_variables(environment: Environment, checkout: Path) -> dict[str, set[str]]:
    """Return what Compose gives each of its containers: variables, and secrets as files."""
    ports = dict.fromkeys(("gateway", "orchestrateur", "nlu", "rag", "postgres", "redis", "ingress"), 1)
    folder = Path("/nowhere") if environment.placement("secrets") == "aws" else None
    facts = ComposeFacts("salambot-demo", "salambot:dev", ports, PASSWORDS, Secret("key"), secrets_folder=folder)
    texts = [(checkout / "compose/docker-compose.yml").read_text()]
    texts.append(render_compose(environment, facts)["docker-compose.override.yml"])
    found: dict[str, set[str]] = {}
    for text in texts:
        for name, service in yaml.safe_load(text)["services"].items():
            found.setdefault(name, set()).update(service.get("environment", {}), service.get("secrets", []))
    return found
