"""`exec`, `psql`, `redis-cli`: a command with the environment of a part; no password is among its arguments."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from salambot_cli.audit.records import pull_recorded
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import PrerequisiteError
from salambot_cli.stack.running import PARTS, STORES, require_names, require_stack
from salambot_cli.stack.runtimes.embedded import psql_program
from salambot_contracts.postgres_url import parse_postgres_url
from salambot_contracts.redis_url import parse_redis_url

CLIENTS: Mapping[str, str] = {"psql": "postgres", "redis-cli": "redis"}
"""Programs that are known by name, and the store of each."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A program to become: its words, and its whole environment."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]


async def invocation(environment: Environment, part: str, words: Sequence[str]) -> Invocation:
    """Return how to run a command in a part; a store's client may be left out, or stand for the store.

    Raises:
        SalamBotError: there is no such part, it does not run, or the program is missing.
    """
    require_names((part,), (*PARTS, *CLIENTS), "exec gateway -- env")
    if part in CLIENTS:
        return await client_invocation(environment, part, words)
    if part in STORES and (not words or words[0] in CLIENTS):
        program = next(name for name, store in CLIENTS.items() if store == part)
        return await client_invocation(environment, program, words[1:])
    runtime, running = await require_stack(environment, part)
    complete = (await pull_recorded(environment)).environment
    argv, environ = runtime.command_in(complete, running, part, tuple(words))
    return Invocation(argv, environ)


async def client_invocation(environment: Environment, program: str, words: Sequence[str]) -> Invocation:
    """Return how to run a client of a store, logged in as the services are. Raises SalamBotError."""
    runtime, running = await require_stack(environment)
    complete = (await pull_recorded(environment)).environment
    seen = runtime.seen(complete, running)
    url = seen.value(f"{CLIENTS[program].upper()}_URL") or ""
    return _psql(url, words) if program == "psql" else _redis_cli(url, words)


def _psql(text: str, words: Sequence[str]) -> Invocation:
    url = parse_postgres_url(text)
    given = {
        "PGHOST": url.host,
        "PGPORT": str(url.port),
        "PGUSER": url.user,
        "PGDATABASE": url.database,
        "PGPASSWORD": url.password,
        "PGSSLMODE": url.sslmode,
        "PGSSLROOTCERT": url.sslrootcert,
    }
    environ = dict(os.environ) | {name: str(value) for name, value in given.items() if value}
    return Invocation((psql_program(), *words), environ)


def _redis_cli(text: str, words: Sequence[str]) -> Invocation:
    url = parse_redis_url(text)
    program = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if program is None:
        why = "no client comes with SalamBot"
        raise PrerequisiteError("redis-cli is not installed", why, "sudo apt-get install redis-tools")
    options = ["-h", url.host, "-p", str(url.port), "-n", str(url.database or 0), "--no-auth-warning"]
    options += ["--tls"] if url.tls else []
    options += ["--user", url.user] if url.user else []
    environ = dict(os.environ) | ({"REDISCLI_AUTH": url.password} if url.password else {})
    return Invocation((program, *options, *words), environ)
