"""Webhooks as a developer meets them: sent for a try, looked at, and done once more."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.api.sample_webhooks import (
    BATCHED,
    PAGE,
    PHONE_NUMBER,
    STALE_SECONDS,
    ChannelName,
    SampleMessage,
    new_message_id,
    secret_name,
    signed_headers,
    webhook_body,
)
from salambot_cli.host.state_file import settled_port
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.untrusted import untrusted
from salambot_cli.stack.orchestrateur import ask_orchestrateur, own_value

_SECONDS = 30.0
_POLL_SECONDS = 0.2
_FOLLOW_SECONDS = 1.0
_MAX_ITEMS = 500
"""As many as one listing may hold: a batch that comes within a second is seen whole."""


@dataclass(frozen=True, slots=True)
class WebhookTrial:
    """A test webhook. One request carries `copies` messages; `duplicate` delivers it twice."""

    channel: ChannelName
    text: str
    sender: str
    copies: int = 1
    invalid_signature: bool = False
    stale: bool = False
    duplicate: bool = False
    url: str | None = None

    @property
    def expected(self) -> tuple[str, ...]:
        """Expected `status` of each delivery, or the HTTP status of a refusal."""
        if self.invalid_signature or (self.stale and self.channel == "generic"):
            return ("401",)
        if self.stale:
            return ("ignored",)
        return ("accepted", "duplicate") if self.duplicate else ("accepted",)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The response of the gateway: HTTP status and document."""

    status: int
    body: Document
    latency_ms: int
    trace_id: str

    @property
    def verdict(self) -> str:
        """The `status` of an acknowledgement, else the HTTP status."""
        return str(self.body.get("status")) if self.status == 200 else str(self.status)


async def send_trial(environment: Environment, trial: WebhookTrial) -> tuple[list[str], list[Delivery]]:
    """Deliver; return the ids of the messages, and what came back each time. Raises SalamBotError."""
    import httpx

    messages = _messages(environment, trial)
    body, url = webhook_body(trial.channel, messages), trial.url or gateway_url(environment)
    headers = signed_headers(trial.channel, _secret(environment, trial), body, at=messages[0].at)
    deliveries: list[Delivery] = []
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=trial.url is not None) as client:
            for _ in range(2 if trial.duplicate else 1):
                began = time.monotonic()
                answer = await client.post(f"{url}/v1/webhooks/{trial.channel}", content=body, headers=headers)
                deliveries.append(_delivery(answer, began))
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise SalamBotError(f"the gateway at {url} does not answer", why, "salambot up") from error
    return [said.message_id for said in messages], deliveries


def _messages(environment: Environment, trial: WebhookTrial) -> list[SampleMessage]:
    account = {
        "messenger": next(iter(environment.channels.get("messenger", {})), PAGE),
        "whatsapp": next(iter(environment.channels.get("whatsapp", {})), PHONE_NUMBER),
        "telegram": "",
        "generic": environment.tenant,
    }[trial.channel]
    if trial.channel not in BATCHED and trial.copies > 1:
        raise ConfigurationError(
            f"a webhook of {trial.channel} carries one message", "--batch is for messenger and whatsapp"
        )
    at = time.time() - (STALE_SECONDS[trial.channel] if trial.stale else 0)
    first = SampleMessage(trial.text, trial.sender, account, new_message_id(trial.channel), at)
    others = [replace(first, message_id=new_message_id(trial.channel)) for _ in range(trial.copies - 1)]
    return [first, *others]


def _secret(environment: Environment, trial: WebhookTrial) -> str:
    if trial.invalid_signature:
        return "whsec_d3Jvbmc=" if trial.channel == "generic" else "wrong"
    return own_value(environment, secret_name(trial.channel)).reveal()


def _delivery(answer: object, began: float) -> Delivery:
    import httpx

    response = cast("httpx.Response", answer)
    try:
        body = untrusted(cast("Document", response.json()))
    except ValueError:
        body = {"detail": response.text[:200]}
    trace = response.headers.get("traceparent", "").split("-")
    latency = round((time.monotonic() - began) * 1000)
    return Delivery(response.status_code, body, latency, trace[1] if len(trace) > 1 else "")


def gateway_url(environment: Environment) -> str:
    """Return where the gateway of this environment listens."""
    return f"http://127.0.0.1:{settled_port(environment, 'gateway')}"


async def list_webhooks(
    environment: Environment, *, since: timedelta | None = None, failed: bool = False, most: int = 50
) -> list[Document]:
    """Return what came, the newest first. Raises SalamBotError."""
    query = {"tenant": environment.tenant, "failed": str(failed).lower(), "limit": str(most)}
    if since is not None:
        query["since"] = _moment(since)
    found = await ask_orchestrateur(environment, "/internal/webhooks", query=query)
    return cast("list[Document]", found["webhooks"])


async def follow_webhooks(
    environment: Environment, *, since: timedelta | None, failed: bool, most: int
) -> AsyncIterator[Document]:
    """Yield the latest `most`, then each webhook as it comes and again when it has got its reply."""
    shown: dict[tuple[object, ...], object] = {}
    began = time.monotonic()
    while True:
        age = since and since + timedelta(seconds=time.monotonic() - began)
        found = await list_webhooks(environment, since=age, failed=failed, most=_MAX_ITEMS)
        for place, entry in reversed([*enumerate(found)]):
            key = (entry["id"], entry["time"], entry["verdict"], entry["trace_id"])
            if shown.get(key) != (state := entry.get("state", "")):
                shown[key] = state
                if place < most:
                    yield entry
        most = _MAX_ITEMS
        while len(shown) > 5_000:
            shown.pop(next(iter(shown)))
        await asyncio.sleep(_FOLLOW_SECONDS)


async def replay(
    environment: Environment, ids: list[str], *, since: timedelta | None = None, failed: bool = False
) -> Document:
    """Do messages once more; return which, and why the others cannot be. Raises SalamBotError."""
    if not ids and not failed and since is None:
        raise ConfigurationError("nothing to replay", "name ids, --failed or --since", "salambot webhook list --failed")
    body: Document = {"tenant": environment.tenant, "ids": ids, "failed": failed}
    if since is not None:
        body["since"] = _moment(since)
    return await ask_orchestrateur(environment, "/internal/webhooks/replay", body=body)


async def wait_for_replies(environment: Environment, message_ids: list[str], seconds: float) -> list[Document]:
    """Wait until messages are seen to, for at most `seconds`; return what is listed of them."""
    deadline = time.monotonic() + seconds
    while True:
        entries = await list_webhooks(environment, most=_MAX_ITEMS)
        mine = [entry for entry in entries if entry.get("message_id") in set(message_ids)]
        over = len(mine) >= min(len(message_ids), _MAX_ITEMS) and all(entry["state"] != "pending" for entry in mine)
        if over or time.monotonic() > deadline:
            return mine
        await asyncio.sleep(_POLL_SECONDS)


def _moment(ago: timedelta) -> str:
    return (datetime.now(UTC) - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")
