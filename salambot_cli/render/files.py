"""`render`: the files of an environment, for Docker Compose or Kubernetes, without starting anything."""

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path

from salambot_cli.audit.records import pull_recorded
from salambot_cli.config.endpoints import ca_bundle
from salambot_cli.config.secret_references import expected_names
from salambot_cli.config.validate import validate
from salambot_cli.docker.image import assemble_context, image_tag
from salambot_cli.host import generated_files
from salambot_cli.host.files import private_folder
from salambot_cli.host.keys import JWKS, generated_secrets, keys_folder
from salambot_cli.host.state_file import read_state, write_state
from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.errors import ConfigurationError, PrerequisiteError
from salambot_cli.model.secret import Secret
from salambot_cli.render.compose import LOCAL_PARTS, is_unmodified, render_compose, render_example
from salambot_cli.render.policies import ACCOUNT, account_of
from salambot_cli.stack.bastion import through_bastions, with_bastion_ports
from salambot_cli.stack.runtimes.container_view import (
    OWN_FILE,
    compose_facts,
    copy_public_files,
    environment_for_containers,
    environment_with_addresses,
    own_secrets,
    rendered_folder,
    with_mounted_secrets,
    write_files_of_secrets,
)
from salambot_cli.stack.runtimes.host import last_ports, settle_ports

EXAMPLE = ".env.cloud-local.example"
_REFERENCE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", re.ASCII)
"""An image: registry, path, tag, digest."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """The files of an environment, where they belong, and how they differ from what stands there."""

    environment: Environment
    folder: Path
    files: dict[str, str]
    changes: list[generated_files.FileChange]
    notes: tuple[str, ...] = ()
    """Notes on the files for the person who runs the command."""
    owners_file: str = "an overlay"
    """Where an owner puts changes: salambot never writes it."""

    def write(self) -> list[Path]:
        """Write what changed; return the copies of what somebody had edited by hand."""
        return generated_files.write(self.folder, self.files, self.changes)


class ComposeRendering(Rendering):
    """With what plain `docker compose` needs beside the files."""

    __slots__ = ()

    def write(self) -> list[Path]:
        """Write what changed, public keys, and what the image is built from."""
        root = self.environment.root
        ports = {name: port for name, port in self.environment.ports.items() if isinstance(port, int)}
        write_state(root, replace(read_state(root), ports=ports))  # `auto` is settled: the next run keeps it
        copy_public_files(self.environment)
        if self.environment.placement("secrets") != "aws":  # those of a vault are written when containers start
            facts = compose_facts(self.environment, generated_secrets(root), self.folder)
            write_files_of_secrets(self.environment, facts)
        assemble_context(private_folder(self.folder) / "image")
        return generated_files.write(self.folder, self.files, self.changes)


async def render(environment: Environment, output: Path | None) -> ComposeRendering:
    """Render for Docker Compose, into `output` or `.salambot/rendered`.

    Raises:
        SalamBotError: a variable is missing, or a cloud URL is refused.
    """
    validate(environment)
    completed = await asyncio.to_thread(with_mounted_secrets, environment)
    # The ports of the last `up`, whoever holds them now: no engine is asked.
    settled = settle_ports(last_ports(with_bastion_ports(completed)), {})
    own = await asyncio.to_thread(own_secrets, environment)
    prepared = await asyncio.to_thread(environment_for_containers, through_bastions(settled), own)
    default = await asyncio.to_thread(rendered_folder, environment.root)
    folder = default if output is None else output
    files = render_compose(prepared, await asyncio.to_thread(compose_facts, prepared, own, folder))
    if output is not None:
        files[EXAMPLE] = render_example(environment)
    found = generated_files.diff(folder, files, is_unmodified)
    return ComposeRendering(prepared, folder, files, found, owners_file=OWN_FILE)


async def render_manifests(
    environment: Environment, output: Path | None, image: str | None, account: str | None
) -> Rendering:
    """Render for Kubernetes, into `output` or `.salambot/rendered/kubernetes`. No Docker is asked.

    Raises:
        SalamBotError: a variable is missing, or a cloud URL is refused.
    """
    validate(environment)
    complete, notes = await _with_vault(environment)
    default = await asyncio.to_thread(rendered_folder, environment.root)
    folder = default / "kubernetes" if output is None else output
    files = await asyncio.to_thread(_manifests, complete, _image(image), account_of(account))
    if account is None and any(f"iam::{ACCOUNT}:role" in text for text in files.values()):
        notes += (f"{ACCOUNT} stands for your account: --account ID",)
    found = generated_files.diff(folder, files, is_unmodified, ours="base/**/*")
    return Rendering(environment, folder, files, found, notes)


def _image(given: str | None) -> str:
    if given is None:
        return image_tag()
    if _REFERENCE.fullmatch(given) is None:
        raise ConfigurationError(
            "no image has the name of --image",
            given,
            "salambot render --target kubernetes --image registry.example/salambot:1.0",
        )
    return given


def _manifests(environment: Environment, image: str, account: str) -> dict[str, str]:
    from salambot_cli.render.kubernetes import ClusterFacts, render_kubernetes  # which Compose need not load

    own = own_secrets(environment)
    view = environment_with_addresses(environment, own)
    public = {JWKS: keys_folder(environment.root) / JWKS}
    public |= {f"{part}-ca.pem": bundle for part in LOCAL_PARTS if (bundle := ca_bundle(environment, part))}
    facts = ClusterFacts(
        image,
        account,
        {name: path.read_text(encoding="utf-8") for name, path in public.items()},
        {name: own[name] for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD")},
    )
    return render_kubernetes(view, facts)


async def _with_vault(environment: Environment) -> tuple[Environment, tuple[str, ...]]:
    """Learn which variables the vault holds; where it cannot be read, it has to hold what the placements need."""
    if environment.placement("secrets") != "aws":
        return environment, ()
    names = expected_names(environment)
    expected = {name: Variable(name, Secret(""), "secrets manager") for name in names}
    aws = replace(environment.aws, secret=environment.aws.secret or f"salambot/{environment.tenant}")
    unread = replace(environment, aws=aws, variables={**expected, **environment.variables})
    if environment.aws.secret is None:
        return unread, (f"[aws] secret names none: pods read {aws.secret}.",)
    try:
        return (await pull_recorded(environment)).environment, ()
    except PrerequisiteError as error:
        listed = ", ".join(names)
        return unread, (f"Secrets Manager was not read ({error.what}): pods get of it {listed}, and nothing optional.",)
