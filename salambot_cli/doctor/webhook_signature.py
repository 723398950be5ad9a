"""webhook.*: are the secrets clean, and does the gateway verify what comes in, byte by byte?"""

import hashlib
import hmac
from pathlib import Path

from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.doctor.stack import gateway_url
from salambot_cli.host.probe_http import request
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.tunnel.open_tunnel import await_own_answer

SIGNATURE = "webhook.signature"
_BODY = '{"object": "page", "entry": [], "note": "سلام — é"}'.encode()
"""Raw UTF-8 and spaces: a gateway that parses and writes it again before signing gets other bytes."""


async def check_signature(exam: ProbeContext) -> Finding:
    """Is the secret clean, and does the gateway verify the raw bytes?"""
    for name in ("META_APP_SECRET", "WEBHOOK_SECRET"):
        value = exam.value(name)
        if value is not None and (value != value.strip() or any(c in value for c in "\r\n\t")):
            evidence: Facts = {"variable": name, "kind": "whitespace"}
            title = f"{name} carries spaces or a newline: every signature differs"
            return fault(
                "webhook.bad-hmac", SIGNATURE, title, evidence, (f"printf %s \"${name}\" | tr -d '[:space:]'",)
            )
    base, secret = await gateway_url(exam), value_in_use(exam, "META_APP_SECRET")
    if base is None or secret is None:
        return ok(SIGNATURE, "The webhook secrets are clean", started=base is not None)
    digest = hmac.new(secret.encode(), _BODY, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
    answer = await request("POST", f"{base}/v1/webhooks/messenger", headers=headers, content=_BODY, proxies=False)
    if answer.status not in _REFUSED:
        return await _other_token(exam, base) or ok(SIGNATURE, "The gateway verifies raw bytes", status=answer.status)
    seen: Facts = {"status": answer.status, "url": f"{base}/v1/webhooks/messenger", "kind": "refused"}
    title = "The gateway refuses a request that is signed over its raw bytes with META_APP_SECRET"
    text = (
        "The gateway runs with another secret than this environment (start it again), or the body is parsed and "
        "written again before it is signed: `salambot webhook trigger messenger` decides."
    )
    return fault("webhook.bad-hmac", SIGNATURE, title, seen, ("salambot up gateway",), text=text)


_REFUSED = frozenset({401, 403})


async def _other_token(exam: ProbeContext, base: str) -> Finding | None:
    """Ask as Meta does when a webhook is subscribed: the gateway repeats the challenge for its own token alone."""
    token = value_in_use(exam, _TOKEN)
    answer = await await_own_answer(base, token, 0) if token else None
    if answer is None or answer.status not in _REFUSED:
        return None
    evidence: Facts = {"variable": _TOKEN, "status": answer.status, "kind": "verify-token"}
    title = f"The gateway runs with another {_TOKEN} than this environment: Meta cannot subscribe the webhook"
    text = f"Start the gateway again, so that it reads {_TOKEN}; Meta's console has to hold the same value."
    return fault("webhook.bad-hmac", SIGNATURE, title, evidence, ("salambot up gateway",), text=text)


_TOKEN = "META_VERIFY_TOKEN"  # noqa: S105 - a name


def value_in_use(exam: ProbeContext, name: str) -> str | None:
    """Return the newest value of a key: the configured one, or the one that the environment made for itself."""
    value = exam.value(name) or _read(exam.environment.state / "keys" / name)
    return value.split(",")[0].strip() if value else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


PROBES = (
    Probe(
        SIGNATURE,
        "edge",
        "Webhook signatures",
        check_signature,
        ("webhook.bad-hmac",),
        (),
        parts=("gateway",),
        reads=("META_APP_SECRET", "WEBHOOK_SECRET", _TOKEN),
        after=("local.services", "host.clock"),
    ),
)
