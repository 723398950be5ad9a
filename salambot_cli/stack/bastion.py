"""`[aws] jump`: databases and caches that only their VPC reaches, through port forwards that the supervisor keeps."""

import asyncio
import shutil
import sys
from dataclasses import dataclass, replace

from salambot_cli.aws.ssm_port_forward import PLUGIN
from salambot_cli.config.endpoints import host_and_port, with_port
from salambot_cli.host.ports import LOOPBACK
from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import Component
from salambot_cli.model.unit import Readiness, Unit
from salambot_cli.render.compose import LOCAL_PARTS
from salambot_cli.stack.runtimes.container_view import with_values
from salambot_cli.stack.supervisor_client import python_environment

_DEFAULT_PORTS = {"postgres": 5432, "redis": 6379}
_READY_SECONDS = 30
_INSTALL = "https://docs.aws.amazon.com/systems-manager/latest/userguide/install-plugin-debian-and-ubuntu.html"


@dataclass(frozen=True, slots=True)
class Bastion:
    """One component behind the instance: where it is, and the port on this machine that leads there."""

    component: Component
    host: str
    port: int

    @property
    def name(self) -> str:
        """Its name as a part of `up` and as a key of ports."""
        return f"jump.{self.component}"


def bastions(environment: Environment) -> tuple[Bastion, ...]:
    """Return what is reached through `[aws] jump`; nothing without one."""
    if environment.aws.jump is None:
        return ()
    found = []
    for component in LOCAL_PARTS:
        url = environment.value(f"{component.upper()}_URL")
        if environment.placement(component) == "cloud" and url:
            found.append(Bastion(component, *host_and_port(url, _DEFAULT_PORTS[component])))
    return tuple(found)


def with_bastion_ports(environment: Environment) -> Environment:
    """Ask for a port for each forward, beside the ports of the parts."""
    return replace(environment, ports={**environment.ports, **{jump.name: "auto" for jump in bastions(environment)}})


def through_bastions(environment: Environment) -> Environment:
    """Put the forwards' ports into the URLs. The hosts stay, so that TLS still verifies the real names."""
    urls = {
        name: Secret(with_port(environment.value(name) or "", port))
        for jump in bastions(environment)
        if isinstance(port := environment.ports[jump.name], int) and (name := f"{jump.component.upper()}_URL")
    }
    return with_values(environment, urls)


def bastion_problem(environment: Environment) -> list[str]:
    """Say when the plugin that opens sessions is missing."""
    if environment.aws.jump is None or shutil.which(PLUGIN):
        return []
    return [f"{PLUGIN} is not installed, and [aws] jump needs it: {_INSTALL}"]


def bastion_unit(environment: Environment, jump: Bastion, listen: str) -> Unit:
    """Describe the process that keeps a forward open. Credentials are in its environment, never among its arguments."""
    port = environment.ports[jump.name]
    names = (name for name in environment.variables if name.startswith("AWS_"))
    argv = (
        *(sys.executable, "-m", "salambot_cli.aws.ssm_port_forward"),
        *("--listen", f"{listen}:{port}", "--to", f"{jump.host}:{jump.port}"),
        *("--through", environment.aws.jump or "", "--region", environment.aws.region or ""),
        *(("--profile", environment.aws.profile) if environment.aws.profile else ()),
    )
    return Unit(
        name=jump.name,
        argv=argv,
        readiness=Readiness("tcp", f"{listen}:{port}", _READY_SECONDS),
        tier=0,
        environ=python_environment() | {name: environment.value(name) or "" for name in names},
    )


async def listen_address() -> str:
    """Return the address here that containers call `host-gateway`; loopback where Docker has a machine of its own."""
    command = ("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    address = output.decode().strip()
    return address if address and await _is_ours(address) else LOOPBACK


async def is_open(address: str, port: int | str) -> bool:
    """Return whether a forward accepts connections."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, int(port)), 3)
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    return True


async def _is_ours(address: str) -> bool:
    try:
        server = await asyncio.start_server(lambda _reader, _writer: None, address, 0)
    except OSError:
        return False
    server.close()
    return True
