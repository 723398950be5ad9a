"""`secrets rotate`: the new secret and the one before it hold together, so that no request is dropped."""

import asyncio
import time
from collections.abc import Mapping

from salambot_cli.api.service_client import service_client
from salambot_cli.audit.records import pull_recorded, record
from salambot_cli.host.keys import (
    adopt_next_key,
    generate_secret,
    generated_secrets,
    mint_token,
    publish_next_key,
    set_generated,
)
from salambot_cli.host.lock import environment_lock
from salambot_cli.host.state_file import read_state, settled_port
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import Component
from salambot_cli.secrets.push import push_secret
from salambot_cli.secrets.rotate_stores import rotate_store
from salambot_cli.secrets.rotation_marker import RotationMarker
from salambot_cli.stack.choose_runtime import running_runtime
from salambot_cli.stack.converge import Convergence
from salambot_cli.stack.output import LiveReporter
from salambot_cli.stack.runtimes.container_view import copy_public_files
from salambot_cli.stack.runtimes.host import as_running
from salambot_cli.terminal.output import Output

ROTATABLE = {
    "jwt": "the key pair that signs this environment's tokens",
    "webhook": "WEBHOOK_SECRET",
    "meta": "META_APP_SECRET of the local webhooks",
    "verify": "META_VERIFY_TOKEN",
    "telegram": "TELEGRAM_WEBHOOK_SECRET; then setWebhook with the new one",
    "internal": "INTERNAL_TOKEN, between the services",
    "redis": "the password of the local Redis",
    "postgres": "the password of the local Postgres",
}
"""Secrets that can be rotated here; others are issued elsewhere and stored by `secrets push`."""
_VARIABLES = {
    "webhook": "WEBHOOK_SECRET",
    "meta": "META_APP_SECRET",
    "verify": "META_VERIFY_TOKEN",
    "telegram": "TELEGRAM_WEBHOOK_SECRET",
    "internal": "INTERNAL_TOKEN",
}
_STORES: Mapping[str, Component] = {"redis": "redis", "postgres": "postgres"}
_SEEN_SECONDS = 15
_POLL_SECONDS = 0.2


async def rotate(session: Output, environment: Environment, name: str, *, finish: bool) -> list[str]:
    """Rotate one secret; return what was done, in order.

    With `finish` nothing new is made: the value before the current one stops to hold.

    Raises:
        SalamBotError: it cannot be rotated here, or the gateway does not take the new key.
    """
    with environment_lock(environment.root, "rotate", wait_seconds=2.0):
        done = await _rotate(session, environment, name, finish=finish)
    await record(environment, "secret.rotate", "done")
    return done


async def _rotate(session: Output, environment: Environment, name: str, *, finish: bool) -> list[str]:
    if name == "jwt":
        return await _rotate_jwt(environment)
    if (store := _STORES.get(name)) is not None:
        return await rotate_store(environment, store, lambda: _restart(session, environment))
    return await _rotate_variable(session, environment, _VARIABLES[name], finish=finish)


async def _rotate_jwt(environment: Environment) -> list[str]:
    publish_next_key(environment.root)
    done = ["the next key is published beside the current one"]
    if read_state(environment.root).runtime == "compose":
        await asyncio.to_thread(copy_public_files, environment)
    if await _gateway_takes_next_key(environment):
        done.append("the gateway verifies tokens of both")
    adopt_next_key(environment.root)
    return [*done, "new tokens are signed with the new key; tokens of the key before hold until they expire"]


async def _gateway_takes_next_key(environment: Environment) -> bool:
    """Wait until the gateway takes a token of the next key. False when no gateway runs."""
    import httpx

    try:
        port = settled_port(environment, "gateway")
    except SalamBotError:
        return False
    token = mint_token(
        environment.root,
        tenant=environment.tenant,
        issuer=environment.value("JWT_ISSUER") or "local-idp",
        audience=environment.value("JWT_AUDIENCE") or "gateway",
        seconds=60,
        scope="none",  # it is verified like any other, and allows nothing: 403 means that its key is known
        with_next_key=True,
    )
    headers = {"Authorization": f"Bearer {token}"}
    deadline = time.monotonic() + _SEEN_SECONDS
    async with service_client(f"http://127.0.0.1:{port}", headers=headers, seconds=5) as client:
        while time.monotonic() < deadline:
            try:
                answer = await client.post("/v1/search/query", json={})
            except httpx.TransportError:
                return False
            if answer.status_code == httpx.codes.FORBIDDEN:
                return True
            await asyncio.sleep(_POLL_SECONDS)
    what = "the gateway does not take the next key; tokens are signed with the current one as before"
    raise SalamBotError(what, f"it answered {answer.status_code}", "salambot logs gateway; then rotate again")


async def _rotate_variable(session: Output, environment: Environment, variable: str, *, finish: bool) -> list[str]:
    pulled = (await pull_recorded(environment)).environment
    layer = pulled.variables[variable].layer if variable in pulled.variables else "generated"
    if layer not in {"generated", "secrets manager"}:
        fix = f"set {variable}=NEW,OLD there (the newest first, both hold), then: salambot up"
        raise ConfigurationError(f"{variable} comes from {layer}, which this command does not write", "", fix)
    before = pulled.value(variable) or generated_secrets(environment.root)[variable].reveal()
    underway = RotationMarker.of(environment.root, variable)
    resumed = any(underway.made(one) for one in before.split(","))
    done = ["an interrupted rotation is finished"] if resumed else []
    for value, words in _stages(variable, before, underway, finish=finish):
        if value != before and layer == "generated":
            set_generated(environment.root, variable, value)
        elif value != before:
            await asyncio.to_thread(push_secret, environment, {variable: Secret(value)}, create=False)
        restarted = await _restart(session, environment)
        done.append(f"{words}; restarted: {', '.join(restarted) or 'nothing runs'}")
    underway.end()
    return done


def _stages(variable: str, before: str, underway: RotationMarker, *, finish: bool) -> list[tuple[str, str]]:
    """Return the values that follow one another, and what holds then; an interrupted rotation comes first."""
    current, _, other = before.partition(",")
    if underway.made(other):
        stages = _newest_first(variable, other, current)
    elif other and underway.made(current):
        stages = _newest_first(variable, current, other)[-1:]
    elif finish:
        stages = []
    else:
        underway.begin(fresh := generate_secret(variable))
        stages = _newest_first(variable, fresh, current)
    if finish:
        newest = stages[-1][0].partition(",")[0] if stages else current
        stages.append((newest, f"only the current {variable} holds"))
    return stages


def _newest_first(variable: str, fresh: str, current: str) -> list[tuple[str, str]]:
    stage = (f"{fresh},{current}", f"the new {variable} is in use, the one before holds too")
    if variable != "INTERNAL_TOKEN":
        return [stage]
    # Services restart one by one: each has to know the new token before any other sends it.
    return [(f"{current},{fresh}", f"every service knows the new {variable}"), stage]


async def _restart(session: Output, environment: Environment) -> list[str]:
    """Start again what the changed secret concerns; leave a stack alone that does not run."""
    runtime = running_runtime(environment)
    running = await runtime.running(environment)
    if not running.parts:
        return []
    environment = as_running(environment, running)
    run = Convergence(runtime, reporter := LiveReporter(session), seed=False)
    with reporter:
        await run.complete(environment)
    starts = [result for result in run.results if result.id.startswith("start.") and result.status == "done"]
    return [result.id.removeprefix("start.") for result in starts if result.id != "start.migrate"]
