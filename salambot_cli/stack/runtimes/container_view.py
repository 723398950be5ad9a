"""An environment as its containers see it: addresses inside the Compose network, paths inside the image."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from salambot_cli.aws.clients import aws_clients
from salambot_cli.components.variables import is_secret
from salambot_cli.config.endpoints import (
    ca_bundle,
    has_client_certificate,
    host_and_port,
    postgres_url,
    redis_url,
    urls_with_ca,
)
from salambot_cli.config.service_variables import services_reading
from salambot_cli.docker.image import image_tag
from salambot_cli.host.files import private_folder, replace_file, share_documents, state_folder
from salambot_cli.host.keys import (
    JWKS,
    OWN_UNLESS_GIVEN,
    existing_secrets,
    generated_secrets,
    identity_provider,
    keys_folder,
)
from salambot_cli.host.secret_files import secrets_folder, write_secrets
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.grafana import is_web_address
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import DEFAULT_PORTS, PROGRAMS, SERVICES, Program
from salambot_cli.render.compose import LOCAL_PARTS, ComposeFacts, Mount, local_parts, secret_files
from salambot_cli.stack.runtimes.base import objects_folder

OWN_FILE = "compose.local.yml"
"""The user's own Compose file; salambot never writes it."""
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_INSIDE = "/run/salambot"
_OBJECTS = "/var/lib/salambot/knowledge/objects"
RECEIVERS = {4318: "lgtm", 4319: "collector"}
"""Containers of the Compose file that receive telemetry, by the port of this machine that leads to each.

They are no part of an environment: `docker compose up -d NAME` starts one.
"""
_OWN = ("INTERNAL_TOKEN", *OWN_UNLESS_GIVEN)


def rendered_folder(root: Path) -> Path:
    """Return `.salambot/rendered`, made private."""
    return private_folder(state_folder(root) / "rendered")


def project_name(environment: Environment) -> str:
    """Name the Compose project after tenant and folder: environments stand side by side."""
    digest = hashlib.sha256(str(environment.root.resolve()).encode()).hexdigest()
    return f"salambot-{environment.tenant}-{digest[:8]}"


def environment_for_containers(environment: Environment, own: Mapping[str, Secret]) -> Environment:
    """Add what containers see to an environment whose ports are settled; `own` are its own secrets."""
    inside = environment_with_addresses(environment, own)
    if environment.placement("objects") == "s3":
        # A container has neither ~/.aws nor a browser: it gets the keys that this machine's chain found.
        inside = with_values(inside, aws_clients(environment).credentials())
    inside = with_values(inside, _receiver(environment))
    return replace(inside, variables={name: v for name, v in inside.variables.items() if name != "AWS_PROFILE"})


def _receiver(environment: Environment) -> dict[str, str | Secret]:
    """A port that is published on loopback leads nowhere from a container: the receiver's own name does."""
    given = environment.value(_ENDPOINT) or ""
    parts = urlsplit(given if is_web_address(given) else "")
    name = RECEIVERS.get(parts.port or 0) if parts.hostname in {"127.0.0.1", "localhost"} else None
    return {_ENDPOINT: f"http://{name}:4318"} if name else {}


def environment_with_addresses(environment: Environment, own: Mapping[str, Secret]) -> Environment:
    """Add addresses by the names of the services, paths inside the image, and the environment's own secrets."""
    given: dict[str, str | Secret] = {
        **{name: own[name] for name in _OWN if environment.value(name) is None and name in own},
        **{f"{name.upper()}_URL": f"http://{name}:{DEFAULT_PORTS[name]}" for name in SERVICES if name != "gateway"},
        "JWT_JWKS": f"{_INSIDE}/keys/{JWKS}",
        **_stores(environment, own),
    }
    if environment.placement("objects") == "local":
        given["OBJECTS_URL"] = f"file://{_OBJECTS}"
    return with_values(environment, given)


def _stores(environment: Environment, own: Mapping[str, Secret]) -> dict[str, Secret]:
    urls = urls_with_ca(environment, f"{_INSIDE}/postgres-ca.pem", f"{_INSIDE}/redis-ca.pem")
    if environment.placement("postgres") == "local" and "POSTGRES_PASSWORD" in own:
        urls["POSTGRES_URL"] = Secret(postgres_url("postgres", 5432, own["POSTGRES_PASSWORD"].reveal()))
    if environment.placement("redis") == "local" and "REDIS_PASSWORD" in own:
        urls["REDIS_URL"] = Secret(redis_url("redis", 6379, own["REDIS_PASSWORD"].reveal()))
    return urls


def environment_for_host(environment: Environment) -> Environment:
    """Return the environment as this machine sees it: local parts on their published ports."""
    own = existing_secrets(environment.root)
    given: dict[str, str | Secret] = {}
    for part in local_parts(environment):
        port = environment.ports[part]
        if isinstance(port, int) and f"{part.upper()}_PASSWORD" in own:
            make = postgres_url if part == "postgres" else redis_url
            given[f"{part.upper()}_URL"] = Secret(make("127.0.0.1", port, own[f"{part.upper()}_PASSWORD"].reveal()))
    given |= urls_with_ca(environment)
    return with_values(environment, given)


def with_values(environment: Environment, values: Mapping[str, str | Secret]) -> Environment:
    """Return the environment with generated values in place of its own."""
    generated = {name: Variable(name, value, "generated") for name, value in values.items()}
    return replace(environment, variables={**environment.variables, **generated})


def files_of_secrets(environment: Environment) -> Path:
    """Return where the secrets stand that containers read as files: of a vault's environment in memory, where it can.

    Those that any other environment made for itself stay in the project, so that plain `docker compose` finds them.
    """
    if environment.placement("secrets") == "aws":
        return secrets_folder(project_name(environment))
    return environment.state / "run" / "secrets"


def write_files_of_secrets(environment: Environment, facts: ComposeFacts) -> None:
    """Write the secrets that containers read as files."""
    if facts.secrets_folder is not None:
        write_secrets(facts.secrets_folder, secret_files(environment, facts))


def with_mounted_secrets(environment: Environment) -> Environment:
    """Add the secrets that running containers were given as files, where this run has not read them itself."""
    folder = files_of_secrets(environment)
    if environment.placement("secrets") != "aws" or not folder.is_dir():
        return environment
    missing = [path for path in folder.iterdir() if is_secret(path.name) and environment.value(path.name) is None]
    rendered = f"{environment.state}/rendered/"
    texts = {path.name: path.read_text(encoding="utf-8").replace(f"{_INSIDE}/", rendered) for path in missing}
    return with_values(environment, {name: Secret(text) for name, text in texts.items()})


def own_secrets(environment: Environment) -> dict[str, Secret]:
    """Return the environment's own secrets, and make those that are missing, and the keys of its tokens."""
    identity_provider(environment.root)
    return generated_secrets(environment.root)


def compose_facts(environment: Environment, own: Mapping[str, Secret], folder: Path | None = None) -> ComposeFacts:
    """Return what Compose needs beside the variables, for files in `folder`. Ports have to be settled.

    What stands elsewhere than in the project is for plain `docker compose`: its `.env` holds all but a vault's secrets.
    """
    project = project_name(environment)
    own_file = environment.project / OWN_FILE
    home = environment.state / "rendered"
    place = folder or home
    in_vault = environment.placement("secrets") == "aws"
    return ComposeFacts(
        project=project,
        image=image_tag(),
        ports={name: port for name, port in environment.ports.items() if isinstance(port, int)},
        passwords={name: own.get(name, Secret("")) for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD")},
        fingerprint_key=own.get("POSTGRES_ADMIN_PASSWORD", Secret("")),
        secrets_folder=files_of_secrets(environment) if in_vault or place == home else None,
        only_own=not in_vault,
        mounts=_mounts(environment),
        user_file=own_file.read_text(encoding="utf-8") if own_file.is_file() else None,
        extra_hosts=_hosts_behind_jump(environment),
        user_file_path=os.path.relpath(own_file, place),
    )


def _hosts_behind_jump(environment: Environment) -> tuple[str, ...]:
    """Let containers find the real names on this machine, where the port forwards listen: TLS verifies these names."""
    if environment.aws.jump is None:
        return ()
    urls = [environment.value(f"{part.upper()}_URL") for part in LOCAL_PARTS if part not in local_parts(environment)]
    hosts = [host_and_port(url, 0)[0] for url in urls if url]
    return tuple(dict.fromkeys(f"{host}:host-gateway" for host in hosts))


def _mounts(environment: Environment) -> dict[Program, tuple[Mount, ...]]:
    mounts: dict[Program, tuple[Mount, ...]] = dict.fromkeys(PROGRAMS, ())

    def add(services: Iterable[Program], source: Path, target: str) -> None:
        for service in services:
            mounts[service] = (*mounts[service], Mount(source, target))

    folder = environment.state / "rendered"
    # The folder, not the file: keys that are rotated replace the file, and a container follows.
    add(("gateway",), folder / "keys", f"{_INSIDE}/keys")
    if environment.placement("objects") == "local":
        add(("orchestrateur",), objects_folder(environment), _OBJECTS)
    for part in LOCAL_PARTS:
        if ca_bundle(environment, part):
            name = f"{part}-ca.pem"
            add(services_reading(environment, f"{part.upper()}_URL"), folder / name, f"{_INSIDE}/{name}")
    return mounts


def certificate_problem(environment: Environment) -> list[str]:
    """Return the URLs whose client certificate containers would not find; a bundle of CAs is mounted."""
    urls = {name: environment.value(name) for name in ("POSTGRES_URL", "REDIS_URL")}
    return [
        f"{name} names a client certificate, and containers do not see its files: salambot up --runtime process"
        for name, url in urls.items()
        if url and has_client_certificate(url)
    ]


def copy_public_files(environment: Environment) -> None:
    """Put public keys and CA bundles where containers, whose user is another one, may read them."""
    folder = rendered_folder(environment.root)
    share_documents(objects_folder(environment), shared=True)
    (folder / "keys").mkdir(exist_ok=True)
    (folder / "keys").chmod(0o755)
    public = {f"keys/{JWKS}": keys_folder(environment.root) / JWKS}
    public |= {f"{part}-ca.pem": bundle for part in LOCAL_PARTS if (bundle := ca_bundle(environment, part))}
    for name, source in public.items():
        content = source.read_bytes()
        target = folder / name
        # In place where nothing changed: a running container holds the very file.
        if not target.is_file() or target.read_bytes() != content:
            replace_file(target, content, mode=0o644)


def remove_rendered(environment: Environment) -> None:
    """Remove what was rendered."""
    shutil.rmtree(environment.state / "rendered", ignore_errors=True)
