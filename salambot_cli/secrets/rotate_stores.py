"""Rotating the logins of Redis and Postgres: the new one holds beside the one before until every service has it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from salambot_cli.audit.records import pull_recorded
from salambot_cli.config.endpoints import redis_url
from salambot_cli.host.keys import generate_secret, generated_secrets, set_generated
from salambot_cli.host.state_file import read_state
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import Component
from salambot_cli.secrets.push import push_secret
from salambot_cli.secrets.rotate_postgres import CloudLogins, LocalLogins
from salambot_cli.secrets.rotation_marker import RotationMarker
from salambot_cli.stack.choose_runtime import running_runtime
from salambot_cli.stack.runtimes.compose import ComposeRuntime

_HOST = "127.0.0.1"
_SECONDS = 5
Restart = Callable[[], Awaitable[list[str]]]


class Logins(Protocol):
    """Two logins of one store that hold at the same time."""

    def current(self) -> str:
        """Return the login that the services are given."""

    def next(self) -> str:
        """Make the login that follows."""

    async def admit(self, login: str) -> None:
        """Let the store take this login beside the current one."""

    async def adopt(self, login: str) -> None:
        """Give the services this login from now on."""

    async def retire(self) -> None:
        """Let the store take the current login only."""


@dataclass(frozen=True)
class RedisLogins:
    """The two passwords that one user of the local Redis may have."""

    root: Path
    port: int

    def current(self) -> str:
        """Return the password."""
        return generated_secrets(self.root)["REDIS_PASSWORD"].reveal()

    def next(self) -> str:
        """Make a password."""
        return generate_secret("REDIS_PASSWORD")

    async def admit(self, login: str) -> None:
        """Add a password."""
        await self._set_user(f">{login}")

    async def adopt(self, login: str) -> None:
        """Give the services this password."""
        set_generated(self.root, "REDIS_PASSWORD", login)

    async def retire(self) -> None:
        """Leave the current password only."""
        await self._set_user("resetpass", f">{self.current()}")

    async def _set_user(self, *rules: str) -> None:
        import redis.asyncio as redis

        url = redis_url(_HOST, self.port, self.current())
        async with redis.Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS) as client:
            try:
                await client.execute_command("ACL", "SETUSER", "default", *rules)  # type: ignore[no-untyped-call] # redis-py's own
            except (redis.RedisError, OSError) as error:  # which may quote what was sent
                raise not_answering("redis", type(error).__name__) from None


async def rotate_store(environment: Environment, store: Component, restart: Restart) -> list[str]:
    """Rotate the login of a store; return what was done. Interrupted at any point, it is finished by the next call.

    Raises:
        SalamBotError: the store's logins are not changed from here, or it does not run.
    """
    logins = await _logins(environment, store)
    if isinstance(logins, CloudLogins):
        await logins.check()
    underway = RotationMarker.of(environment.root, store)
    done = []
    if underway.made(logins.current()):
        done.append("an interrupted rotation is finished")
    else:
        login = logins.next()
        await logins.admit(login)
        done.append(f"{store} takes the new login beside the one before")
        underway.begin(login)
        await logins.adopt(login)
    restarted = await restart()
    done.append(f"restarted: {', '.join(restarted) or 'nothing runs'}")
    await logins.retire()
    underway.end()
    return [*done, f"{store} takes the new login only"]


async def _logins(environment: Environment, store: Component) -> Logins:
    if environment.placement(store) != "local":
        if store == "postgres" and environment.value("DATABASE_URL_ADMIN"):
            return await _cloud(environment)
        why = f"{store} = {environment.placement(store)}: its password is changed there"
        fix = f"salambot secrets push {store.upper()}_URL"
        if store == "postgres":
            fix = f"DATABASE_URL_ADMIN=postgres://… salambot secrets rotate postgres; or by hand: {fix}"
        raise ConfigurationError(f"{store} is not this environment's own", why, fix)
    port = read_state(environment.root).ports.get(store)
    if port is None:
        raise not_answering(store, "nothing was started yet")
    if store == "redis":
        return RedisLogins(environment.root, port)
    runtime = running_runtime(environment)
    container = runtime.project(environment) if isinstance(runtime, ComposeRuntime) else None
    return LocalLogins(environment.root, port, container)


async def _cloud(environment: Environment) -> CloudLogins:
    pulled = (await pull_recorded(environment)).environment
    variable = pulled.variables.get("POSTGRES_URL")
    if variable is None or variable.layer != "secrets manager":
        where = variable.layer if variable else "nowhere"
        fix = 'secrets = "aws" and: salambot secrets push POSTGRES_URL'
        raise ConfigurationError(f"POSTGRES_URL comes from {where}, which this command does not write", "", fix)

    async def store(url: str) -> None:
        await asyncio.to_thread(push_secret, environment, {"POSTGRES_URL": Secret(url)}, create=False)

    return CloudLogins(variable.reveal(), environment.value("DATABASE_URL_ADMIN") or "", store)


def not_answering(store: str, why: str) -> SalamBotError:
    """Say that a store cannot be asked."""
    return SalamBotError(f"the environment's {store} does not answer", why, "salambot up; then rotate again")
