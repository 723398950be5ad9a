"""`tunnel.open` and `tunnel.check`: publish the webhooks of the gateway, and nothing else of it."""

from dataclasses import dataclass, field, replace

from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import StepStatus
from salambot_cli.outside.console import Session
from salambot_cli.outside.events import CHANNELS, secret_name
from salambot_cli.outside.state import read_state, write_state
from salambot_cli.runtimes.client import SupervisorClient
from salambot_cli.runtimes.tunnel import TUNNEL, OpenedTunnel, close_tunnel, comes_back, open_tunnel
from salambot_cli.steps.base import Run
from salambot_cli.steps.orchestrateur import own_value

_PATIENCE_S = 20.0


@dataclass
class OpenTunnel:
    """Open it before the services start: they are told its URL."""

    needs: tuple[str, ...] = ("prepare",)
    id: str = "tunnel.open"
    title: str = "open the tunnel"
    _opened: OpenedTunnel | None = field(default=None, init=False)

    async def run(self, run: Run) -> StepStatus:
        """Publish the ingress; a tunnel that only a preset asked for, and that cannot be had, is a warning."""
        try:
            self._opened = await open_tunnel(run.environment)
        except SalamBotError as error:
            if run.environment.layers.get("placement.tunnel") != "preset":
                raise
            run.details[self.id] = f"{error.what}: webhooks reach nobody; {error.fix}"
            return "skipped"
        run.public_url = self._opened.url
        variable = Variable("PUBLIC_BASE_URL", run.public_url, "generated")
        run.environment = replace(run.environment, variables={**run.environment.variables, "PUBLIC_BASE_URL": variable})
        root = run.environment.root
        write_state(root, replace(read_state(root), public_url=run.public_url))
        run.details[self.id] = run.public_url
        return "done" if self._opened.started else "unchanged"

    async def undo(self, run: Run) -> None:
        """Close what this run opened."""
        client = SupervisorClient(run.environment.state)
        if self._opened is None or self._opened.started:
            await client.stop(TUNNEL)
        if self._opened is not None and self._opened.launched_supervisor:
            await client.shutdown()


@dataclass
class CheckTunnel:
    """Ready is what came back: one request through the public URL to our own gateway."""

    needs: tuple[str, ...] = ("tunnel.open", "start.gateway")
    id: str = "tunnel.check"
    title: str = "reach the gateway from outside"

    async def run(self, run: Run) -> StepStatus:
        """Ask; a slow edge is a warning, not a failure."""
        if run.public_url is None:
            return "skipped"
        token = own_value(run.environment, "META_VERIFY_TOKEN").reveal()
        if await comes_back(run.public_url, token, _PATIENCE_S):
            return "done"
        run.details[self.id] = f"no request came back within {_PATIENCE_S:.0f} s; the edge may still be slow"
        return "skipped"

    async def undo(self, run: Run) -> None:
        """Asking leaves nothing behind."""


@dataclass
class CloseTunnel:
    """Close the tunnel of an earlier run: none is wanted any more."""

    needs: tuple[str, ...] = ("prepare",)
    id: str = "tunnel.close"
    title: str = "close the tunnel"

    async def run(self, run: Run) -> StepStatus:
        """Stop it."""
        root = run.environment.root
        closed = await close_tunnel(run.environment.state)
        write_state(root, replace(read_state(root), public_url=None))
        return "done" if closed else "unchanged"

    async def undo(self, run: Run) -> None:
        """It stays closed."""


def show_callbacks(session: Session, environment: Environment, url: str) -> None:
    """Tell what to paste into Meta's console."""
    token = own_value(environment, "META_VERIFY_TOKEN").reveal().split(",")[0].strip()
    session.say(f"[bold]Webhooks[/] of {url}; verify token: [bold]{token}[/]")
    for channel in CHANNELS:
        hint = f"  [dim]setWebhook, secret_token: {secret_name(channel)}[/]" if channel == "telegram" else ""
        session.say(f"  {channel:<10} {url}/v1/webhooks/{channel}{hint}")
