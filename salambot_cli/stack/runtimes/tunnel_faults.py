"""Reasons why a tunnel cannot be opened, or why another answers in its place, in words and with what to do."""

import json
from urllib.parse import urlsplit

from salambot_cli.host.probe_http import Answer
from salambot_cli.model.errors import SalamBotError
from salambot_cli.stack.supervisor_client import UnitFailedError

_OWN_TUNNEL = "set TUNNEL_TOKEN and PUBLIC_BASE_URL for a tunnel of your own, or take tunnel = ngrok"
_LINES = 5


def explain_start(error: UnitFailedError) -> SalamBotError:
    """Return the error about a tunnel that did not start; its log is told in words, never as raw JSON."""
    text = error.why
    low = text.lower()
    if "429" in text or "1015" in text:
        return SalamBotError(
            "Cloudflare refuses another quick tunnel for now",
            "its limit on tunnels without an account is reached (429, error 1015)",
            f"wait a quarter of an hour and try again; or {_OWN_TUNNEL}",
        )
    if "no such host" in low or "server misbehaving" in low or "name resolution" in low:
        return SalamBotError(
            "the tunnel cannot look up the name api.trycloudflare.com",
            "no DNS server gave an answer for it: no network, or a filter",
            "getent hosts api.trycloudflare.com",
        )
    if "i/o timeout" in low or "connection refused" in low or "network is unreachable" in low:
        return SalamBotError(
            "the tunnel cannot reach Cloudflare",
            "\n".join(_told(error)),
            "let this machine connect to port 7844 (TCP and UDP) and 443 of Cloudflare",
        )
    if "flag provided but not defined" in low:
        return SalamBotError(
            "this cloudflared is too old", "\n".join(_told(error)), "salambot tunnel --download, or upgrade cloudflared"
        )
    return SalamBotError(error.what, "\n".join(_told(error)), error.fix)


def explain_answer(url: str, answer: Answer) -> SalamBotError:
    """Return the error about a public URL at which something else answers than our gateway."""
    what = f"{url} does not lead to this gateway"
    location = answer.headers.get("location", "")
    if 300 <= answer.status < 400:
        where = urlsplit(location).hostname or location[:80]
        return SalamBotError(
            what,
            f"it answers {answer.status} and sends people to {where}: a login page stands in front",
            "let the path /v1/webhooks/ pass without a login: an Access application of its own, policy Bypass",
        )
    if answer.status in {401, 403}:
        return SalamBotError(
            what,
            f"it answers {answer.status}: a rule of the edge keeps requests out",
            "allow the path /v1/webhooks/ there",
        )
    if answer.status in {502, 504, 530} or "1033" in answer.text[:2000]:
        return SalamBotError(what, f"the edge answers {answer.status}: it has no tunnel to us", "salambot logs tunnel")
    return SalamBotError(
        what,
        f"something else answers there ({answer.status}): rules of another tunnel or of a proxy in between",
        "lead the public hostname of your own tunnel to this machine, and look at salambot logs tunnel",
    )


def _told(error: UnitFailedError) -> list[str]:
    """Return the reason and the last lines of the log, those that are JSON as their message alone."""
    lines = [_message(line) for line in error.why.splitlines()]
    return [line for line in lines[:1] + lines[1:][-_LINES:] if line]


def _message(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    parts = (record.get("message"), record.get("error"))
    return ": ".join(str(part) for part in parts if part)[:300]
