"""tunnel.*: is there a tunnel, and does the public URL lead through it to this gateway?"""

import asyncio
import os
import socket
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from salambot_cli.doctor.connection_findings import filtered_finding, http_failure
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.doctor.stack import gateway_url, ports_of
from salambot_cli.doctor.webhook_signature import value_in_use
from salambot_cli.host.ports import is_free
from salambot_cli.host.probe_http import Answer, request
from salambot_cli.host.probe_tcp import ConnectResult, Reach, connect
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding, Remedy
from salambot_cli.stack.runtimes.tunnel_faults import explain_answer
from salambot_cli.tunnel.open_tunnel import await_own_answer

TUNNEL = "tunnel.ready"
_USUAL = tuple(f"http://127.0.0.1:{port}" for port in range(20241, 20246))
"""Where cloudflared listens when nobody tells it where: another program may, too."""
_SECONDS = 5.0
_SAYS_NOTHING = frozenset({Reach.MUTE, Reach.SILENT})
_NGROK = "http://127.0.0.1:4040"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The state that a tunnel reports on this machine."""

    ready: bool
    url: str | None
    source: str
    kind: str = "not-connected"
    """How it is not ready, where it is not."""


async def check_tunnel(exam: ProbeContext) -> Finding:
    """Does a tunnel stand, does it lead to a gateway that answers, and is its URL the one that Meta calls?"""
    environment = exam.environment
    cloudflared = environment.placement("tunnel") == "cloudflared"
    tunnel = await _ask_ours(environment) or await (_ask_cloudflared() if cloudflared else _ask_ngrok())
    gateway = await gateway_url(exam)
    expected = exam.value("PUBLIC_BASE_URL") or read_state(environment.root).public_url
    if tunnel is None and (gateway is None or not expected):
        if (blocked := await _blocked_edge(exam)) is not None:
            return filtered_finding(TUNNEL, blocked, "tunnel")
        return ok(TUNNEL, "No tunnel is open. It will dial out: no inbound port has to be opened", started=False)
    if tunnel is None or not tunnel.ready:
        return _down(environment, tunnel, expected, await _blocked_edge(exam))
    port = ports_of(environment).get("gateway", 8080)
    if is_free(port):
        evidence: Facts = {"port": port, "tunnel": tunnel.source, "public_url": tunnel.url}
        title = f"The tunnel stands, and nothing listens on port {port}: callers get 502"
        return fault("tunnel.origin-down", TUNNEL, title, evidence, ("salambot up gateway",))
    renamed = _renamed(environment, tunnel, exam.value("PUBLIC_BASE_URL"))
    return renamed or await _came_back(exam, tunnel, expected) or _stands(tunnel, expected)


async def _ask_ours(environment: Environment) -> Tunnel | None:
    """Ask the tunnel of this environment; whichever it is, it answers as cloudflared does."""
    state = read_state(environment.root)
    return await _ask_cloudflared((f"http://127.0.0.1:{state.ports.get('tunnel')}",)) if state.public_url else None


async def _ask_cloudflared(usual: tuple[str, ...] = _USUAL) -> Tunnel | None:
    named = os.environ.get("TUNNEL_METRICS")
    for base in (f"http://{named}",) if named else usual:
        answer = await request("GET", f"{base}/ready", proxies=False, seconds=_SECONDS)
        if answer.contact is not None and answer.contact.reach in _SAYS_NOTHING and base not in _USUAL:
            return Tunnel(False, None, f"{base}/ready", "no-answer")
        if answer.status in {200, 503}:
            body = answer.json()
            connections = body.get("readyConnections", 1) if isinstance(body, dict) else 1
            quick = (await request("GET", f"{base}/quicktunnel", proxies=False, seconds=_SECONDS)).json()
            host = quick.get("hostname") if isinstance(quick, dict) else None
            ready = answer.status == 200 and connections != 0
            url = str(host) if "://" in str(host) else f"https://{host}" if host else None
            return Tunnel(ready, url, f"{base}/ready")
    return None


async def _ask_ngrok() -> Tunnel | None:
    answer = await request("GET", f"{_NGROK}/api/tunnels", proxies=False, seconds=_SECONDS)
    body = answer.json()
    if not answer.status or not isinstance(body, dict):
        return None
    tunnels = [t for t in body.get("tunnels", []) if isinstance(t, dict)]
    url = next((str(t["public_url"]) for t in tunnels if t.get("public_url")), None)
    return Tunnel(bool(tunnels), url, f"{_NGROK}/api/tunnels")


_EDGES = {
    "cloudflared": (("region1.v2.argotunnel.com", 7844), ("region2.v2.argotunnel.com", 7844)),
    "ngrok": (("connect.ngrok-agent.com", 443),),
}
"""Where each tunnel dials out to."""


async def _blocked_edge(exam: ProbeContext) -> ConnectResult | None:
    """Return how the edge does not answer, where a tunnel is asked for by name and none of its edges does."""
    environment = exam.environment
    edges = _EDGES.get(environment.placement("tunnel"), ())
    if exam.offline or not edges or environment.layers.get("placement.tunnel") == "preset":
        return None
    contacts = await asyncio.gather(*(connect(host, port) for host, port in edges))
    blocked = [c for c in contacts if c.reach in {Reach.SILENT, Reach.REFUSED}]
    return blocked[0] if len(blocked) == len(edges) else None


def _down(environment: Environment, tunnel: Tunnel | None, expected: str | None, edge: ConnectResult | None) -> Finding:
    kind = environment.placement("tunnel")
    evidence: Facts = {
        "tunnel": kind,
        "asked": tunnel.source if tunnel else "no local metrics answer",
        "public_url": expected,
        "kind": tunnel.kind if tunnel else "not-running",
        "edge": f"{edge.host}:{edge.port} {edge.reach}" if edge else None,
    }
    title = f"{kind} runs and has no connection to its edge" if tunnel else f"No {kind} runs: webhooks reach nobody"
    if tunnel is not None and tunnel.kind == "no-answer":
        title = f"{kind} hangs: {tunnel.source} takes the connection and does not answer within {_SECONDS:g} s"
    more = "cloudflared tunnel login" if kind == "cloudflared" else "ngrok diagnose"
    text = None
    if edge is not None:
        title = f"{title}; {edge.host}:{edge.port} does not answer from here ({edge.reach})"
        text = (
            f"Have the way out to port {edge.port} opened (a firewall here or on the way drops it), then open it again."
        )
    return fault("tunnel.down", TUNNEL, title, evidence, ("salambot tunnel", more), text=text)


async def _came_back(exam: ProbeContext, tunnel: Tunnel, url: str | None) -> Finding | None:
    """Send one request through the public URL that only our gateway can answer; None where the edge is not seen."""
    token = value_in_use(exam, "META_VERIFY_TOKEN")
    if exam.offline or not url or not token:
        return None
    answer = await await_own_answer(url.rstrip("/"), token, 0)
    ours = answer is not None and "problem+json" in answer.headers.get("content-type", "")
    if answer is None or ours:
        return None  # our gateway's own refusal is the webhook's subject
    if answer.contact is not None:
        return _unreached(exam, answer)
    said = explain_answer(url, answer)
    leads = await _leads_to(tunnel)
    code = answer.headers.get("ngrok-error-code", "")
    evidence: Facts = {
        "public_url": url,
        "status": answer.status,
        "says": code or answer.text[:160],
        "leads_to": leads,
        "kind": "not-ours",
    }
    where = f"; the tunnel leads to {leads}" if leads else ""
    title = f"{url} answers {answer.status}, and not as this gateway{where}"
    if answer.status == _NO_TUNNEL or "1033" in answer.text[:2000] or code in _OFFLINE:
        text = f"The edge knows no tunnel for this name: {said.fix}."
        return fault("tunnel.down", TUNNEL, title, evidence, ("salambot tunnel",), text=text)
    if code in _LIMITS:
        text = "The account's plan limits the tunnel: wait, or raise the plan at ngrok's dashboard."
        return fault("tunnel.down", TUNNEL, title, {**evidence, "kind": "limit"}, text=text)
    port = ports_of(exam.environment).get("gateway", 8080)
    text = f"{said.why[:1].upper()}{said.why[1:]}. The gateway answers on port {port}: lead the tunnel there."
    return fault("tunnel.origin-down", TUNNEL, title, evidence, ("salambot tunnel",), text=text)


def _unreached(exam: ProbeContext, answer: Answer) -> Finding | None:
    """Say why nobody gets to the URL that Meta calls: its name or certificate. Else the way out may be filtered here.

    A quick tunnel's name is new each time, and not known everywhere at once.
    """
    contact = answer.contact
    if exam.value(_PUBLIC) is None or contact is None or contact.number == socket.EAI_AGAIN:
        return None
    if contact.reach is Reach.UNKNOWN_NAME:
        found = http_failure(TUNNEL, answer, _PUBLIC)
        name = f"salambot-{exam.environment.tenant}"
        text = f"Meta reaches nobody: lead the name to the tunnel, or correct {_PUBLIC}."
        commands = (f"cloudflared tunnel route dns {name} {contact.host}", f"getent hosts {contact.host}")
        return found and replace(found, remedy=Remedy(text, commands))
    return http_failure(TUNNEL, answer, _PUBLIC) if contact.reach is Reach.UNTRUSTED else None


_PUBLIC = "PUBLIC_BASE_URL"
_NO_TUNNEL = 530
_OFFLINE = frozenset({"ERR_NGROK_3200", "ERR_NGROK_727"})
_LIMITS = frozenset({"ERR_NGROK_725", "ERR_NGROK_726", "ERR_NGROK_734", "ERR_NGROK_108", "ERR_NGROK_120"})


async def _leads_to(tunnel: Tunnel) -> str | None:
    """Return the service that cloudflared sends requests to, where its metrics port tells."""
    if not tunnel.source.endswith("/ready"):
        return None
    answer = await request("GET", f"{tunnel.source.removesuffix('/ready')}/config", proxies=False, seconds=_SECONDS)
    body = answer.json()
    config = body.get("config") if isinstance(body, dict) else None
    rules = config.get("ingress") if isinstance(config, dict) else None
    services = (
        [str(r["service"]) for r in rules if isinstance(r, dict) and r.get("service")]
        if isinstance(rules, list)
        else []
    )
    return ", ".join(services[:3]) or None


def _renamed(environment: Environment, tunnel: Tunnel, told: str | None) -> Finding | None:
    if told and tunnel.url and _host(told) != _host(tunnel.url):
        evidence: Facts = {"public_base_url": told, "tunnel_url": tunnel.url}
        title = f"The tunnel is {_host(tunnel.url)}, and Meta calls {_host(told)}"
        if environment.placement("tunnel") == "ngrok":
            commands: tuple[str, ...] = (
                f"ngrok http --url {_host(told)} {ports_of(environment).get('gateway', 8080)}",
            )
        else:
            name = environment.tenant
            commands = (
                "cloudflared tunnel login",
                f"cloudflared tunnel create salambot-{name}",
                f"cloudflared tunnel route dns salambot-{name} {_host(told)}",
            )
        return fault("tunnel.ephemeral", TUNNEL, title, evidence, commands)
    return None


def _stands(tunnel: Tunnel, told: str | None) -> Finding:
    return ok(TUNNEL, f"The tunnel stands ({tunnel.url or told or 'named'}): no inbound port is needed")


def _host(url: str) -> str:
    return (urlsplit(url if "://" in url else f"https://{url}").hostname or url).lower()


def _has_tunnel(environment: Environment) -> bool:
    return environment.placement("tunnel") != "none"


_GROUP = "edge"
PROBES = (
    Probe(
        TUNNEL,
        _GROUP,
        "The tunnel",
        check_tunnel,
        ("tunnel.down", "tunnel.origin-down", "tunnel.ephemeral", "net.egress-blocked", "net.dns", "net.tls-untrusted"),
        (),
        _has_tunnel,
        parts=("tunnel",),
        reads=("PUBLIC_BASE_URL", "META_VERIFY_TOKEN"),
        after=("local.services",),
    ),
)
