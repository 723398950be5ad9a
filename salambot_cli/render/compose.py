"""Render an environment for Docker Compose: pure, from an environment to file contents."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from salambot_cli import __version__
from salambot_cli.config.quoting import compose_env, compose_yaml
from salambot_cli.config.service_variables import variables_for
from salambot_cli.host.assets import asset
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, Component, Program

LOCAL_PARTS: tuple[Component, ...] = ("postgres", "redis")
PASSWORDS: Mapping[Component, str] = {"postgres": "POSTGRES_PASSWORD", "redis": "REDIS_PASSWORD"}
_PREPARED_BY: Mapping[Program, tuple[Component, ...]] = {
    "gateway": ("redis",),
    "orchestrateur": ("redis",),
    "nlu": (),
    "rag": ("redis",),
    "worker": ("redis",),
}
CONFIG_LABEL = "io.salambot.config"
MARKS_LABEL = "io.salambot.config.marks"
"""Digests of the single things in CONFIG_LABEL, so that a later run can say what changed."""
_MARK_DIGITS = 32
_HEADER = re.compile(r"# Rendered by salambot (?P<version>\S+)[^\n]* sha256:(?P<hash>[0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine that a container sees, read-only."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True)
class ComposeFacts:
    """Facts that only the Compose runtime needs."""

    project: str
    image: str
    ports: Mapping[str, int]
    passwords: Mapping[str, Secret]
    """POSTGRES_PASSWORD and REDIS_PASSWORD of the local containers."""
    fingerprint_key: Secret
    """The key of the hash in CONFIG_LABEL, so that values cannot be guessed from it. Never rotated."""
    secrets_folder: Path | None = None
    """Folder of secret files; None passes secrets as variables."""
    only_own: bool = False
    """True if the folder holds only generated secrets: the user's own are in `.env`."""
    mounts: Mapping[Program, tuple[Mount, ...]] = field(default_factory=dict)
    extra_hosts: tuple[str, ...] = ()
    user_file: str | None = None
    """The text of the owner's own Compose file, which comes last."""
    user_file_path: str = ""
    """Path of that file, relative to the rendered files."""

    def is_file(self, variable: Variable) -> bool:
        """Return whether containers read this variable from a file."""
        if self.secrets_folder is None or not isinstance(variable.value, Secret):
            return False
        return variable.layer == "generated" or not self.only_own


@dataclass(frozen=True, slots=True)
class _Container:
    environment: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    volumes: tuple[Mount, ...] = ()
    depends_on: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def render_compose(environment: Environment, facts: ComposeFacts) -> dict[str, str]:
    """Return the files of an environment by name: `docker-compose.yml`, its override, `.env`.

    With `facts.secrets_folder` no secret's value is in any of them.
    """
    return {
        "docker-compose.yml": with_header(_base()),
        "docker-compose.override.yml": with_header(_override(environment, facts)),
        ".env": with_header(_env(environment, facts)),
    }


def local_parts(environment: Environment) -> tuple[Component, ...]:
    """Return the components that run in containers of this environment."""
    return tuple(part for part in LOCAL_PARTS if environment.placement(part) == "local")


def render_example(environment: Environment) -> str:
    """Return `.env.cloud-local.example`."""
    return _templates().get_template("env.cloud-local.example.j2").render(tenant=environment.tenant)


def secret_files(environment: Environment, facts: ComposeFacts) -> dict[str, Secret]:
    """Return the secrets that the containers read as files, by name."""
    secrets: dict[str, Secret] = {}
    for held in _as_files(environment, facts).values():
        secrets |= held
    return secrets


def secret_digests(environment: Environment, facts: ComposeFacts) -> dict[str, str]:
    """Return a hash of the content of the files that each container reads."""
    digests = {}
    for part, secrets in _as_files(environment, facts).items():
        digest = hashlib.sha256()
        for name, secret in sorted(secrets.items()):
            value = secret.reveal()
            digest.update(f"{name}:{len(value)}:{value}".encode())
        digests[part] = digest.hexdigest()
    return digests


def _as_files(environment: Environment, facts: ComposeFacts) -> dict[str, dict[str, Secret]]:
    """Return the secrets that each container reads from files."""
    if facts.secrets_folder is None:
        return {}
    parts: dict[str, dict[str, Secret]] = {}
    for service in PROGRAMS:
        variables = variables_for(environment, service).values()
        parts[service] = {v.name: v.value for v in variables if isinstance(v.value, Secret) and facts.is_file(v)}
    return parts | {part: {PASSWORDS[part]: facts.passwords[PASSWORDS[part]]} for part in local_parts(environment)}


def with_header(body: str, instead: str = "change compose.local.yml instead") -> str:
    """Prepend the version, a note against editing, and the hash of the content."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f"# Rendered by salambot {__version__}; {instead}. sha256:{digest}\n{body}"


def is_unmodified(text: str) -> bool:
    """Return whether a rendered file is as it was written: its hash still fits its content."""
    header = _HEADER.match(text)
    return header is not None and hashlib.sha256(text[header.end() :].encode()).hexdigest() == header["hash"]


def with_public_url(text: str, url: str) -> str:
    """Return a rendered `.env` with another PUBLIC_BASE_URL; a manual edit remains visible."""
    header = _HEADER.match(text)
    start = header.end() if header else 0
    line = f"PUBLIC_BASE_URL={compose_env(url)}"
    body = re.sub(r"(?m)^PUBLIC_BASE_URL=.*$", lambda _: line, text[start:])
    return with_header(body) if is_unmodified(text) else text[:start] + body


def config_label(environment: Environment, facts: ComposeFacts) -> dict[str, str]:
    """Return the value of CONFIG_LABEL for each container: it changes with anything for which it has to be replaced."""
    return {name: container.labels[CONFIG_LABEL] for name, container in _containers(environment, facts).items()}


def config_marks(environment: Environment, facts: ComposeFacts) -> dict[str, dict[str, str]]:
    """Return for each container the digests of MARKS_LABEL."""
    containers = _containers(environment, facts)
    return {name: json.loads(container.labels[MARKS_LABEL]) for name, container in containers.items()}


def _override(environment: Environment, facts: ComposeFacts) -> str:
    secrets = {name: f"{facts.secrets_folder}/{name}" for name in secret_files(environment, facts)}
    services = _containers(environment, facts)
    return _templates().get_template("docker-compose.override.yml.j2").render(services=services, secrets=secrets)


def _containers(environment: Environment, facts: ComposeFacts) -> dict[str, _Container]:
    known = variables_for(environment, "orchestrateur")
    database = {name: known[name] for name in ("POSTGRES_URL",) if name in known}
    needs_database: tuple[Component, ...] = ("postgres",)
    return {
        **{
            str(name): _service(environment, facts, name, variables_for(environment, name), _PREPARED_BY[name])
            for name in PROGRAMS
        },
        # The job sees what orchestrateur sees of the database.
        "migrate": _service(environment, facts, "orchestrateur", database, needs_database),
        **{str(part): _local_part(facts, part) for part in local_parts(environment)},
    }


def _service(
    environment: Environment,
    facts: ComposeFacts,
    name: Program,
    variables: Mapping[str, Variable],
    needs: tuple[Component, ...],
) -> _Container:
    container = _Container(
        environment=_references(_handed_over(variables.values(), facts)),
        secrets=tuple(v.name for v in variables.values() if facts.is_file(v)),
        volumes=facts.mounts.get(name, ()),
        depends_on=tuple(part for part in needs if environment.placement(part) == "local"),
        extra_hosts=facts.extra_hosts,
    )
    published = [facts.ports.get(port) for port in ((name, "ingress") if name == "gateway" else (name,))]
    return _labelled(container, variables, facts, published, facts.image)


def _local_part(facts: ComposeFacts, part: Component) -> _Container:
    name = PASSWORDS[part]
    variables = {name: Variable(name, facts.passwords[name], "generated")}
    if facts.secrets_folder is None:
        container = _Container(_references([name]))
    else:
        # The public Postgres image reads a file where it is told to; the Redis container looks for it by itself.
        environment = {f"{name}_FILE": compose_yaml(f"/run/secrets/{name}")} if part == "postgres" else {}
        container = _Container(environment, (name,))
    return _labelled(container, variables, facts, [facts.ports.get(part)], "")


def _labelled(
    container: _Container,
    variables: Mapping[str, Variable],
    facts: ComposeFacts,
    published: list[int | None],
    image: str,
) -> _Container:
    """Add the fingerprint of everything that goes into a container, but for the content of files: it may change there.

    Compose itself compares labels and variables, not the files of the owner or of the image.
    """
    items = {
        "program": [image, _base()],
        "port": [str(port) for port in published],
        "compose.local.yml": [facts.user_file or ""],
        "container": [repr(container)],
        **{f"variable {v.name}": [v.reveal()] for v in variables.values() if not facts.is_file(v)},
    }
    marks = {name: _mark(facts.fingerprint_key, item) for name, item in items.items()}
    text = json.dumps(marks, sort_keys=True)
    return replace(container, labels={CONFIG_LABEL: _mark(facts.fingerprint_key, [text]), MARKS_LABEL: text})


def _mark(key: Secret, texts: Iterable[str]) -> str:
    """Return a keyed digest: nobody can try values against it."""
    digest = hmac.new(key.reveal().encode(), digestmod="sha256")
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()[:_MARK_DIGITS]


@cache
def _base() -> str:
    return asset("compose/docker-compose.yml").read_text(encoding="utf-8")


def _handed_over(variables: Iterable[Variable], facts: ComposeFacts) -> list[str]:
    return [v.name for v in variables if not facts.is_file(v)]


def _references(names: Iterable[str]) -> dict[str, str]:
    return {name: f"${{{name}}}" for name in names}


def _env(environment: Environment, facts: ComposeFacts) -> str:
    variables: dict[str, Variable] = {}
    for service in PROGRAMS:
        variables |= variables_for(environment, service)
    files = ["docker-compose.yml", "docker-compose.override.yml"]
    compose = {
        "COMPOSE_PROJECT_NAME": facts.project,
        "COMPOSE_FILE": ":".join([*files, *([facts.user_file_path] if facts.user_file is not None else [])]),
        "COMPOSE_PROFILES": ",".join(local_parts(environment)),
        "SALAMBOT_IMAGE": facts.image,
        "SALAMBOT_BUILD_CONTEXT": "./image",
        **{f"{name.upper()}_PORT": str(port) for name, port in facts.ports.items()},
    }
    services = {name: variables[name].reveal() for name in _handed_over(variables.values(), facts)}
    if facts.secrets_folder is None:
        services |= {name: secret.reveal() for name, secret in _local_passwords(environment, facts).items()}
    sections = {"Docker Compose": compose, "The services": services}
    return _templates().get_template("env.j2").render(sections=sections)


def _local_passwords(environment: Environment, facts: ComposeFacts) -> dict[str, Secret]:
    return {PASSWORDS[part]: facts.passwords[PASSWORDS[part]] for part in local_parts(environment)}


@cache
def _templates() -> Templates:
    templates = Templates(
        loader=FileSystemLoader(asset("templates/compose")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML: YAML and .env have quoters of their own
    )
    templates.filters |= {"yaml": compose_yaml, "compose_env": compose_env}
    return templates
