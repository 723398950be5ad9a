"""`tunnel.open` and `tunnel.check`: publish the webhooks of the gateway, and nothing else of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from salambot_cli.api.sample_webhooks import CHANNELS, secret_name
from salambot_cli.host.state_file import read_state, write_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import Change
from salambot_cli.stack.orchestrateur import own_value
from salambot_cli.stack.runtimes.tunnel_faults import explain_answer
from salambot_cli.stack.steps import PUBLIC_BASE_URL, Outcome, RunContext
from salambot_cli.terminal.output import Output
from salambot_cli.tunnel.open_tunnel import TUNNEL, await_own_answer, close_tunnel, open_tunnel

_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class OpenTunnel:
    """Open it before the services start: they are told its URL."""

    change: Change
    needs: tuple[str, ...] = ()
    id: str = "tunnel.open"
    title: str = "open the tunnel"

    @property
    def part(self) -> str | None:
        """The part that it changes."""
        return TUNNEL if self.change.action != "keep" else None

    async def run(self, context: RunContext, given: Mapping[str, Outcome]) -> Outcome:
        """Publish the ingress; a tunnel that only a preset asked for, and that cannot be had, is a warning."""
        del given
        if self.change.action == "keep" and context.public_url is not None:
            return Outcome("unchanged", context.public_url, {PUBLIC_BASE_URL: context.public_url})
        environment = context.environment
        try:
            opened = await open_tunnel(environment)
        except SalamBotError as error:
            if environment.layers.get("placement.tunnel") != "preset":
                raise
            return Outcome("skipped", f"{error.what}: webhooks reach nobody; {error.fix}")
        write_state(environment.root, replace(read_state(environment.root), public_url=opened.url))
        return Outcome("done" if opened.started else "unchanged", opened.url, {PUBLIC_BASE_URL: opened.url})


@dataclass(frozen=True)
class SkipTunnel:
    """Say why there is no tunnel, though a preset asks for one."""

    reason: SalamBotError
    needs: tuple[str, ...] = ()
    id: str = "tunnel.open"
    title: str = "open the tunnel"
    part: str | None = None

    async def run(self, context: RunContext, given: Mapping[str, Outcome]) -> Outcome:
        """Say it."""
        del context, given
        return Outcome("skipped", f"{self.reason.what}: webhooks reach nobody; {self.reason.fix}")


@dataclass(frozen=True)
class CheckTunnel:
    """Ready is what came back: one request through the public URL to our own gateway."""

    needs: tuple[str, ...] = ("tunnel.open", "start.gateway")
    id: str = "tunnel.check"
    title: str = "reach the gateway from outside"
    part: str | None = None

    async def run(self, context: RunContext, given: Mapping[str, Outcome]) -> Outcome:
        """Ask; an edge that does not answer yet is a warning, and another answer than ours a failure."""
        url = given["tunnel.open"].variables.get(PUBLIC_BASE_URL)
        if url is None:
            return Outcome("skipped")
        token = own_value(context.environment, "META_VERIFY_TOKEN").reveal()
        answer = await await_own_answer(url, token, _PATIENCE_SECONDS)
        if answer is None:
            return Outcome("done")
        if answer.contact is not None:
            return Outcome(
                "skipped", f"no request came back within {_PATIENCE_SECONDS:.0f} s; the edge may still be slow"
            )
        error = explain_answer(url, answer)
        if context.environment.layers.get("placement.tunnel") != "preset":
            raise error
        return Outcome("skipped", f"{error.what}: {error.why}; {error.fix}")


@dataclass(frozen=True)
class CloseTunnel:
    """Close the tunnel of an earlier run: none is wanted any more."""

    needs: tuple[str, ...] = ()
    id: str = "tunnel.close"
    title: str = "close the tunnel"
    part: str | None = TUNNEL

    async def run(self, context: RunContext, given: Mapping[str, Outcome]) -> Outcome:
        """Stop it."""
        del given
        root = context.environment.root
        closed = await close_tunnel(context.environment.state)
        write_state(root, replace(read_state(root), public_url=None))
        return Outcome("done" if closed else "unchanged")


def show_callbacks(session: Output, environment: Environment, url: str) -> None:
    """Report what to paste into Meta's console."""
    token = own_value(environment, "META_VERIFY_TOKEN").reveal().split(",")[0].strip()
    session.say(f"[bold]Webhooks[/] of {url}; verify token: [bold]{token}[/]")
    for channel in CHANNELS:
        hint = f"  [dim]setWebhook, secret_token: {secret_name(channel)}[/]" if channel == "telegram" else ""
        session.say(f"  {channel:<10} {url}/v1/webhooks/{channel}{hint}")
