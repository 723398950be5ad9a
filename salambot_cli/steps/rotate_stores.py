"""Passwords of the environment's own Redis and Postgres: changed in the running server first, then handed out."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from salambot_cli.catalog.endpoints import postgres_url, redis_url
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.topology import Component
from salambot_cli.outside.files import replace_file
from salambot_cli.outside.keys import generated_secrets, keys_folder, new_secret
from salambot_cli.outside.state import read_state

_HOST = "127.0.0.1"
_SECONDS = 5
Restart = Callable[[], Awaitable[list[str]]]


async def rotate_store(environment: Environment, store: Component, restart: Restart) -> list[str]:
    """Change the password of a local store; return what was done.

    Redis takes both passwords until every service has the new one. Postgres knows one a role: connections that stand
    stay, and a service that opens another one meanwhile has to wait for its restart.

    Raises:
        SalamBotError: the store stands in the cloud, or does not run.
    """
    if environment.placement(store) != "local":
        why = f"{store} = {environment.placement(store)}: its password is changed there"
        raise ConfigurationError(
            f"{store} is not this environment's own", why, f"salambot secrets push {store.upper()}_URL"
        )
    port = read_state(environment.root).ports.get(store)
    if port is None:
        raise _not_running(store, "nothing was started yet")
    return await (_redis if store == "redis" else _postgres)(environment.root, port, restart)


async def _redis(root: Path, port: int, restart: Restart) -> list[str]:
    old, fresh = generated_secrets(root)["REDIS_PASSWORD"].reveal(), new_secret("REDIS_PASSWORD")
    await _acl(port, old, f">{fresh}")
    replace_file(keys_folder(root) / "REDIS_PASSWORD", fresh)
    restarted = await restart()
    await _acl(port, fresh, f"<{old}")
    return ["redis takes both passwords", f"restarted: {', '.join(restarted)}", "redis takes the new password only"]


async def _acl(port: int, password: str, rule: str) -> None:
    import redis.asyncio as redis

    client = redis.Redis.from_url(
        redis_url(_HOST, port, password), socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS
    )
    try:
        await client.execute_command("ACL", "SETUSER", "default", rule)  # type: ignore[no-untyped-call] # redis-py's own
    except redis.ResponseError:
        if rule.startswith(">"):  # a server that was started anew never knew the old password
            raise
    except (redis.RedisError, OSError) as error:
        raise _not_running("redis", type(error).__name__) from None  # the error may quote what was sent
    finally:
        await client.aclose()


async def _postgres(root: Path, port: int, restart: Restart) -> list[str]:
    """Keep the next password beside the current one until Postgres has it: an interruption locks nobody out."""
    import asyncpg

    current = keys_folder(root) / "POSTGRES_PASSWORD"
    coming = current.with_name("POSTGRES_PASSWORD.next")
    if not coming.is_file():
        replace_file(coming, new_secret("POSTGRES_PASSWORD"))
    fresh = coming.read_text()
    try:
        for password in (generated_secrets(root)["POSTGRES_PASSWORD"].reveal(), fresh):
            if await _set_password(port, password, fresh):
                break
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise _not_running("postgres", type(error).__name__) from None  # the error may quote the statement
    coming.replace(current)
    restarted = await restart()
    return ["postgres takes the new password", f"restarted: {', '.join(restarted)}"]


async def _set_password(port: int, password: str, fresh: str) -> bool:
    import asyncpg

    try:
        connection = await asyncpg.connect(postgres_url(_HOST, port, password), timeout=_SECONDS)
    except asyncpg.InvalidPasswordError:
        return False
    try:
        await connection.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{fresh}'")  # hexadecimal: nothing to quote
    finally:
        await connection.close(timeout=1)
    return True


def _not_running(store: Component, why: str) -> SalamBotError:
    return SalamBotError(f"the environment's {store} does not answer", why, "salambot up; then rotate again")
