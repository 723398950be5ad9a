"""`provision`: the templates of the cloud parts and their variables, ready for Terraform or CloudFormation."""

import asyncio
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from salambot_cli.host import generated_files
from salambot_cli.host.assets import asset
from salambot_cli.host.files import replace_file
from salambot_cli.host.public_ip import public_addresses
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.model.topology import Component
from salambot_cli.render.compose import is_unmodified, with_header
from salambot_cli.render.infrastructure import Infrastructure, infrastructure, keep_user_choices

_FOLDERS = ("terraform", "cloudformation")
_VARIABLES, _PARAMETERS = "terraform/terraform.tfvars.json", "cloudformation/parameters.json"
_IN_AWS: tuple[tuple[Component, str], ...] = (
    ("postgres", "cloud"),
    ("redis", "cloud"),
    ("objects", "s3"),
    ("secrets", "aws"),
)


@dataclass(frozen=True, slots=True)
class Provision:
    """The resources to create, and the location of their files."""

    wanted: Infrastructure
    folder: Path
    owners_file: str = "another file"
    """Where an owner puts changes: salambot never writes it."""

    @property
    def commands(self) -> tuple[str, ...]:
        """Return what makes it: either of the two."""
        tenant, region = self.wanted.variables["tenant"], self.wanted.variables["region"]
        terraform, template = f"terraform -chdir={self.folder / 'terraform'}", self.folder / "cloudformation"
        create = (
            f"aws cloudformation create-stack --stack-name salambot-{tenant} --region {region} "
            f"--template-body file://{template}/salambot.yaml --parameters file://{template}/parameters.json "
            "--capabilities CAPABILITY_NAMED_IAM"
        )
        return (f"{terraform} init && {terraform} apply", create)

    @property
    def files(self) -> list[Path]:
        """Return what is written: templates and variables."""
        return [self.folder / name for name in (*_templates(), _VARIABLES, _PARAMETERS)]

    def write(self) -> list[Path]:
        """Write the files; Terraform's own state beside them stays. Return the copies of what was edited by hand."""
        texts = _templates()
        kept = generated_files.write(self.folder, texts, generated_files.diff(self.folder, texts, is_unmodified))
        replace_file(self.folder / _VARIABLES, json.dumps(dict(self.wanted.variables), indent=2) + "\n")
        replace_file(self.folder / _PARAMETERS, json.dumps(self.wanted.parameters(), indent=2) + "\n")
        return kept


async def provision(environment: Environment, output: Path | None, my_ip: str | None) -> Provision:
    """Plan the cloud parts of an environment; nothing is asked of AWS.

    Raises:
        ConfigurationError: no component stands in AWS, or the address is none.
    """
    if not any(environment.placement(part) == placement for part, placement in _IN_AWS):
        raise ConfigurationError(
            "nothing of this environment stands in AWS",
            f"its topology is {', '.join(environment.topology)}",
            "salambot provision --topology t1,t3",
        )
    address = await _address(my_ip)
    folder = output or environment.state / "cloud"
    return Provision(await asyncio.to_thread(_wanted, environment, address, folder), folder)


def _wanted(environment: Environment, address: str | None, folder: Path) -> Infrastructure:
    written, parameters = _read(folder / _VARIABLES), _read(folder / _PARAMETERS)
    entries = [entry for entry in parameters if isinstance(entry, dict)] if isinstance(parameters, list) else []
    by_key = {str(entry.get("ParameterKey")): entry.get("ParameterValue") for entry in entries}
    return keep_user_choices(infrastructure(environment, address), written if isinstance(written, dict) else {}, by_key)


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _templates() -> dict[str, str]:
    return {
        str(path.relative_to(asset("templates"))): with_header(
            path.read_text(encoding="utf-8"), "put what is yours into another file"
        )
        for name in _FOLDERS
        for path in sorted(asset(f"templates/{name}").rglob("*"))
        if path.suffix in {".tf", ".yaml"}
    }


async def _address(given: str | None) -> str | None:
    if given is None:
        found = [address for address in await public_addresses() if address.version == 4]
        return str(found[0]) if found else None
    try:
        return str(ipaddress.IPv4Address(given))
    except ValueError as error:
        raise ConfigurationError("--my-ip is no IPv4 address", str(error), "salambot provision --plan") from error
