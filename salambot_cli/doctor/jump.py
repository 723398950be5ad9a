"""jump.*: through `[aws] jump`, as containers go: the port forward here, then the far server's certificate."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from salambot_cli.doctor import postgres, redis
from salambot_cli.doctor.aws_access import JUMP
from salambot_cli.doctor.connection_findings import broken_url, ca_context, certificate_finding
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.host.probe_tcp import ConnectResult, Reach, connect
from salambot_cli.host.state_file import read_state
from salambot_cli.host.tls import asking, handshake
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.model.topology import Component
from salambot_cli.stack.bastion import listen_address

Target = postgres.PostgresTarget | redis.RedisTarget
DOWN = "aws.jump-down.forward"


@dataclass(frozen=True, slots=True)
class _Way:
    """How a component is spoken to: where its URL leads, and what comes before TLS."""

    component: Component
    variable: str
    target: Callable[[ProbeContext], Target | None]
    prelude: bytes = b""
    agree: bytes = b""


WAYS = (
    _Way("postgres", postgres.VARIABLE, postgres.target_of, postgres.SSL_REQUEST, b"S"),
    _Way("redis", redis.VARIABLE, redis.target_of),
)


async def check_forward(way: _Way, exam: ProbeContext) -> Finding:
    """Is the forward open, and does the server at its end show a certificate for its real name?"""
    check, target = f"jump.{way.component}", way.target(exam)
    port = _port(exam.environment, way.component)
    if target is None or port is None:
        return ok(check, "No forward has been asked for")
    near = await connect(await listen_address(), port)
    if not near.is_open:
        return _down(exam, check, target, near, "is not open")
    context = ca_context(target.ca)
    if isinstance(context, str):
        return broken_url(check, way.variable, context)
    opening = asking(way.prelude, way.agree) if way.prelude else None
    shaken = await handshake(replace(near, host=target.host), context, opening=opening)
    match shaken.contact.reach:
        case Reach.OPEN:
            return ok(check, f"{target.host} answers through {exam.environment.aws.jump}, its certificate verifies")
        case Reach.UNTRUSTED:
            return certificate_finding(check, shaken, way.variable, target.ca)
        case Reach.NO_TLS if way.component in exam.environment.allow_insecure:
            return ok(check, f"{target.host} answers through {exam.environment.aws.jump}, without TLS")
        case _:
            return _down(exam, check, target, shaken.contact, "is open and leads nowhere")


def _down(exam: ProbeContext, check: str, target: Target, contact: ConnectResult, how: str) -> Finding:
    evidence: Facts = {
        "host": target.host,
        "port": target.port,
        "forward": f"{contact.address or contact.host}:{contact.port}",
        "through": exam.environment.aws.jump,
        "reach": str(contact.reach),
        "detail": contact.detail,
    }
    title = f"The port forward to {target.host}:{target.port} {how}"
    text = "`up` opens it again; its log says what Systems Manager answered."
    return fault(DOWN, check, title, evidence, ("salambot up", f"salambot logs {check}"), text=text)


def _port(environment: Environment, component: Component) -> int | None:
    """Return where the forward of a running stack listens; none is missed while nothing is asked to run."""
    state = read_state(environment.root)
    return state.ports.get(f"jump.{component}") if state.asked_up else None


def _is_forwarded(way: _Way, environment: Environment) -> bool:
    return environment.aws.jump is not None and environment.placement(way.component) == "cloud"


def _probe(way: _Way) -> Probe:
    return Probe(
        f"jump.{way.component}",
        way.component,
        f"{way.component.capitalize()}: through the jump",
        partial(check_forward, way),
        ("aws.jump-down", "net.tls-untrusted", "config.invalid"),
        (JUMP,),
        partial(_is_forwarded, way),
        seconds=20,
        parts=(way.component,),
        cheap=True,
        reads=(way.variable,),
        after=("host.clock",),
    )


PROBES = (*(_probe(way) for way in WAYS),)
