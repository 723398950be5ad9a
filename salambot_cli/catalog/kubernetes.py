"""What `salambot render --target kubernetes` writes: a Kustomize base and overlays, from an environment to texts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from salambot_cli.catalog.infrastructure import own_name
from salambot_cli.catalog.pods import (
    PORTS,
    STORE_PORTS,
    WEBHOOKS_PORT,
    Pod,
    Way,
    callers,
    in_vault,
    pod_of,
    pod_variables,
    secret_name,
    seed_ways_out,
    vault_entry,
    ways_out,
)
from salambot_cli.catalog.policies import policy
from salambot_cli.catalog.render import PASSWORDS, local_parts, with_header
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, Component, Program
from salambot_cli.outside.assets import asset

OVERLAYS = ("small", "production")
_SIZES: Mapping[Program, tuple[str, str]] = {
    "gateway": ("250m", "192Mi"),
    "orchestrateur": ("250m", "192Mi"),
    "nlu": ("250m", "192Mi"),
    "rag": ("250m", "256Mi"),
    "worker": ("250m", "192Mi"),
}
"""Requests of CPU and memory, from what idle and busy services use; the limits are Compose's."""
_DRAIN_S = 5
"""How long a pod that is to end still serves: by then no balancer sends it anything new."""
_UNDER_WAY_S = 60
"""After that a service lets requests end: the longest that a reply may take."""
_GRACE_S = 75
"""In all; the worker gives its replies 6 s, and another one makes those that are not ready."""
_LONGEST = 50
"""Then `-orchestrateur` makes the 64 characters that the name of a role may have."""
_PROMETHEUS = "http://prometheus-server.monitoring.svc:80"
"""Where KEDA asks for the length of the queue; an overlay names another one."""
_DOCUMENTS = "/var/lib/salambot/objects"
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
        "probe": ["sh", "-c", "redis-cli ping | grep -Eq 'PONG|NOAUTH'"],
    },
}


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What only the Kubernetes target knows of an environment."""

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
    """Name the namespace of an environment, and what its roles' names begin with; raises ConfigurationError."""
    return own_name(environment, _LONGEST)


def _manifests(
    environment: Environment, facts: ClusterFacts, own: Mapping[str, Mapping[str, Secret]]
) -> dict[str, str]:
    pods = {name: pod_of(environment, name, facts.public_files) for name in PROGRAMS}
    manifests = {"namespace.yaml": _fill("base/namespace.yaml.j2", environment, public_files=facts.public_files)}
    manifests |= {f"{name}.yaml": _program(environment, name, pod) for name, pod in pods.items()}
    manifests["seed.yaml"] = _seed(environment, facts, pods["orchestrateur"], own.get("orchestrateur-own", {}))
    manifests["network.yaml"] = _network(environment, pods)
    manifests["ingress.yaml"] = _fill("base/ingress.yaml.j2", environment, host=_public_host(environment))
    if vault := _external_secrets(environment, facts):
        manifests["external-secrets.yaml"] = vault
    if local_parts(environment):
        manifests["stores.yaml"] = _fill("base/stores.yaml.j2", environment, stores=_stores(environment))
    return manifests


def _program(environment: Environment, name: Program, pod: Pod) -> str:
    cpu, memory = _SIZES[name]
    module = ["salambot.worker"] if name == "worker" else ["salambot.serve", name, "--grace", str(_UNDER_WAY_S)]
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
        drain_s=0 if name == "worker" else _DRAIN_S,
        grace_s=_GRACE_S,
    )


def _seed(environment: Environment, facts: ClusterFacts, pod: Pod, own: Mapping[str, Secret]) -> str:
    """Return the job, which sees what orchestrateur sees; its role reads the tenant's documents."""
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
        _node(name, PORTS[name], callers(environment, name), ways_out(environment, name, pod), scraped=True)
        for name, pod in pods.items()
    ]
    seed = seed_ways_out(environment, pods["orchestrateur"])
    nodes.append(_node("seed", 0, [], seed))
    for part in local_parts(environment):
        clients = [str(name) for name, pod in pods.items() if f"{part.upper()}_URL" in pod.secrets]
        nodes.append(_node(part, STORE_PORTS[part], [*clients, "seed"], []))
    return _fill("base/network.yaml.j2", environment, nodes=nodes)


def _node(name: str, port: int, called_by: list[str], ways: list[Way], *, scraped: bool = False) -> dict[str, object]:
    return {"name": name, "port": port, "callers": called_by, "ways": ways, "scraped": scraped}


def _external_secrets(environment: Environment, facts: ClusterFacts) -> str | None:
    found: dict[str, list[object]] = {}
    for program in PROGRAMS:
        for name, variable in pod_variables(environment, program).items():
            if isinstance(variable.value, Secret) and in_vault(environment, variable):
                place = vault_entry(environment, name, facts.public_files)
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
            if isinstance(variable.value, Secret) and not in_vault(environment, variable):
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
