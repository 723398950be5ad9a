"""Render an environment for Kubernetes: a Kustomize base and overlays."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from salambot_cli.host.assets import asset
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, Component, Program
from salambot_cli.render.compose import PASSWORDS, local_parts, with_header
from salambot_cli.render.infrastructure import resource_name
from salambot_cli.render.pods import (
    PORTS,
    STORE_PORTS,
    WEBHOOKS_PORT,
    EgressRule,
    Pod,
    egress_rules,
    ingress_from,
    is_in_secrets_manager,
    pod_of,
    pod_variables,
    secret_name,
    secrets_manager_entry,
    seed_egress_rules,
)
from salambot_cli.render.policies import policy

OVERLAYS = ("small", "production")
_SIZES: Mapping[Program, tuple[str, str]] = {
    "gateway": ("250m", "192Mi"),
    "orchestrateur": ("250m", "192Mi"),
    "nlu": ("250m", "192Mi"),
    "rag": ("250m", "256Mi"),
    "worker": ("250m", "192Mi"),
}
"""CPU and memory requests, from measurements of idle and busy services; the limits are Compose's."""
_DRAIN_SECONDS = 5
"""Seconds that a terminating pod keeps serving: until then a load balancer may still send requests."""
_UNDER_WAY_SECONDS = 60
"""Seconds that requests in flight may then take: the longest reply."""
_GRACE_SECONDS = 75
"""The total; the worker gives replies 6 s, unfinished ones are made by another worker."""
_MAX_LENGTH = 50
"""Then `-orchestrateur` makes the 64 characters that the name of a role may have."""
_PROMETHEUS = "http://prometheus-server.monitoring.svc:80"
"""The Prometheus that KEDA queries for the queue length; an overlay may change it."""
_DOCUMENTS = "/var/lib/salambot/knowledge/objects"
_STORES: Mapping[Component, Mapping[str, object]] = {
    "postgres": {
        "image": "pgvector/pgvector:pg17",
        "data": "/var/lib/postgresql/data",
        "start": "/docker-entrypoint-initdb.d",
        "probe": ["pg_isready", "--quiet", "--host", "127.0.0.1", "--username", "salambot", "--dbname", "salambot"],
    },
    "redis": {
        "image": "redis:8",
        "data": "/data",
        "start": "/start",
        "probe": ["sh", "-c", "redis-cli ping | grep -q NOAUTH"],
    },
}


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Facts that only the Kubernetes target needs."""

    image: str
    """With its registry and tag."""
    account: str
    """The AWS account of the roles."""
    public_files: Mapping[str, str]
    """`jwks.json`, and `postgres-ca.pem` and `redis-ca.pem` where a CA is configured: their texts."""
    passwords: Mapping[str, Secret]
    """POSTGRES_PASSWORD and REDIS_PASSWORD of stores in the cluster."""


def render_kubernetes(environment: Environment, facts: ClusterFacts) -> dict[str, str]:
    """Return the files by path; no manifest holds a secret, and `base/secrets/*.env` those that no vault holds."""
    own = _own_secrets(environment, facts)
    manifests = _manifests(environment, facts, own)
    kustomization = _fill(
        "base/kustomization.yaml.j2",
        environment,
        resources=list(manifests),
        image=_image(facts.image),
        own_secrets=list(own),
    )
    files = {f"base/{name}": text for name, text in manifests.items()}
    files |= {f"base/secrets/{name}.env": _env_file(values) for name, values in own.items()}
    files |= {f"overlays/{name}/kustomization.yaml": _overlay(name) for name in OVERLAYS}
    files |= {"base/kustomization.yaml": kustomization, ".gitignore": "secrets/\n"}
    return {name: with_header(text, "put an overlay of your own on top instead") for name, text in files.items()}


def manifest_stream(files: Mapping[str, str]) -> str:
    """Return the objects of the base as one stream of YAML, which any validator reads."""
    manifests = {name: text for name, text in files.items() if name.startswith("base/") and name.endswith(".yaml")}
    return "---\n".join(text for name, text in manifests.items() if name != "base/kustomization.yaml")


def namespace(environment: Environment) -> str:
    """Return the namespace of an environment, also the prefix of its role names; raises ConfigurationError."""
    return resource_name(environment, _MAX_LENGTH)


def _manifests(
    environment: Environment, facts: ClusterFacts, own: Mapping[str, Mapping[str, Secret]]
) -> dict[str, str]:
    pods = {name: pod_of(environment, name, facts.public_files) for name in PROGRAMS}
    manifests = {"namespace.yaml": _fill("base/namespace.yaml.j2", environment, public_files=facts.public_files)}
    manifests |= {f"{name}.yaml": _program(environment, name, pod) for name, pod in pods.items()}
    manifests["seed.yaml"] = _seed(environment, facts, pods["orchestrateur"], own.get("orchestrateur-own", {}))
    manifests["network.yaml"] = _network(environment, pods)
    manifests["ingress.yaml"] = _fill(
        "base/ingress.yaml.j2", environment, host=_public_host(environment), widget=environment.widget.tunnel
    )
    if vault := _external_secrets(environment, facts):
        manifests["external-secrets.yaml"] = vault
    if local_parts(environment):
        manifests["stores.yaml"] = _fill("base/stores.yaml.j2", environment, stores=_stores(environment))
    return manifests


def _program(environment: Environment, name: Program, pod: Pod) -> str:
    cpu, memory = _SIZES[name]
    module = (
        ["salambot.worker"] if name == "worker" else ["salambot.http.server", name, "--grace", str(_UNDER_WAY_SECONDS)]
    )
    database = {key: secret for key, secret in pod.secrets.items() if key == "POSTGRES_URL"}
    return _fill(
        "base/program.yaml.j2",
        environment,
        name=name,
        annotations={},
        port=PORTS[name],
        pod=pod,
        migrates=bool(database),
        migrate=replace(pod, plain={}, secrets=database),
        command=["python", "-m", *module, "--host", "0.0.0.0", "--port", str(PORTS[name])],  # noqa: S104 - in a pod
        cpu=cpu,
        memory=memory,
        drain_s=0 if name == "worker" else _DRAIN_SECONDS,
        grace_s=_GRACE_SECONDS,
    )


def _seed(environment: Environment, facts: ClusterFacts, pod: Pod, own: Mapping[str, Secret]) -> str:
    """Return the seed job. It gets orchestrateur's variables; its role reads the tenant's documents."""
    command = ["python", "-m", "salambot.jobs.seed_kb", "--tenant", environment.tenant, "--incremental"]
    local = environment.placement("objects") == "local"
    fill = partial(
        _fill,
        "base/seed.yaml.j2",
        environment,
        annotations={} if local else _role(environment, facts, "orchestrateur"),
        documents=_DOCUMENTS if local else "",
        command=command,
        pod=pod,
    )
    # Kustomize names a Secret by what it holds: another value is another name in the job.
    what = json.dumps([facts.image, fill(fingerprint=""), {name: value.reveal() for name, value in own.items()}])
    return fill(fingerprint=hashlib.sha256(what.encode()).hexdigest()[:10])


def _role(environment: Environment, facts: ClusterFacts, name: str) -> dict[str, str]:
    """Return the annotations of a service account: the role it acts in, and the most that this role may allow."""
    allowed = policy(environment, name, account=facts.account)
    arn = f"arn:aws:iam::{facts.account}:role/{namespace(environment)}-{name}"
    return {"eks.amazonaws.com/role-arn": arn, "salambot.io/iam-policy": json.dumps(allowed, separators=(",", ":"))}


def _network(environment: Environment, pods: Mapping[Program, Pod]) -> str:
    nodes = [
        _node(name, PORTS[name], ingress_from(environment, name), egress_rules(environment, name, pod), scraped=True)
        for name, pod in pods.items()
    ]
    seed = seed_egress_rules(environment, pods["orchestrateur"])
    nodes.append(_node("seed", 0, [], seed))
    for part in local_parts(environment):
        clients = [str(name) for name, pod in pods.items() if f"{part.upper()}_URL" in pod.secrets]
        nodes.append(_node(part, STORE_PORTS[part], [*clients, "seed"], []))
    return _fill("base/network.yaml.j2", environment, nodes=nodes)


def _node(
    name: str, port: int, called_by: list[str], ways: list[EgressRule], *, scraped: bool = False
) -> dict[str, object]:
    return {"name": name, "port": port, "callers": called_by, "ways": ways, "scraped": scraped}


def _external_secrets(environment: Environment, facts: ClusterFacts) -> str | None:
    found: dict[str, list[object]] = {}
    for program in PROGRAMS:
        for name, variable in pod_variables(environment, program).items():
            if isinstance(variable.value, Secret) and is_in_secrets_manager(environment, variable):
                place = secrets_manager_entry(environment, name, facts.public_files)
                found.setdefault(secret_name(environment, program, variable), []).append(place)
    if not found:
        return None
    return _fill(
        "base/external-secrets.yaml.j2",
        environment,
        annotations=_role(environment, facts, "read"),
        region=environment.aws.region or environment.value("AWS_REGION") or "eu-west-1",
        secrets=found,
    )


def _own_secrets(environment: Environment, facts: ClusterFacts) -> dict[str, dict[str, Secret]]:
    found: dict[str, dict[str, Secret]] = {}
    for program in PROGRAMS:
        for name, variable in pod_variables(environment, program).items():
            if isinstance(variable.value, Secret) and not is_in_secrets_manager(environment, variable):
                found.setdefault(f"{program}-own", {})[name] = variable.value
    for part in local_parts(environment):
        found[f"{part}-own"] = {PASSWORDS[part]: facts.passwords[PASSWORDS[part]]}
    return found


def _stores(environment: Environment) -> list[dict[str, object]]:
    return [
        {"name": part, "port": STORE_PORTS[part], "password": PASSWORDS[part], **_STORES[part]}
        for part in local_parts(environment)
    ]


def _env_file(values: Mapping[str, Secret]) -> str:
    """Write a file that Kustomize reads value for value: a line each, and no quotes."""
    for name, value in values.items():
        if "\n" in value.reveal() or "\r" in value.reveal():
            raise ConfigurationError(
                f"{name} has several lines, which a Kustomize env file cannot hold", "", "salambot config show"
            )
    return "".join(f"{name}={value.reveal()}\n" for name, value in values.items())


def _image(image: str) -> dict[str, str]:
    name, colon, tag = image.rpartition(":")
    return {"name": name, "tag": tag} if colon and "/" not in tag else {"name": image, "tag": "latest"}


def _public_host(environment: Environment) -> str | None:
    from urllib.parse import urlsplit

    return urlsplit(environment.value("PUBLIC_BASE_URL") or "").hostname


def _overlay(name: str) -> str:
    return _templates().get_template(f"overlays/{name}/kustomization.yaml.j2").render()


def _fill(template: str, environment: Environment, **values: object) -> str:
    return (
        _templates()
        .get_template(template)
        .render(
            namespace=namespace(environment),
            tenant=environment.tenant,
            webhooks_port=WEBHOOKS_PORT,
            ingress_namespace="ingress-nginx",
            monitoring_namespace="monitoring",
            prometheus=_PROMETHEUS,
            **values,
        )
    )


@cache
def _templates() -> Templates:
    return Templates(
        loader=FileSystemLoader(asset("templates/kubernetes")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML: `tojson` quotes
    )
