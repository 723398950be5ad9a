"""Two roles of Postgres that take turns: both act as the one that owns the tables, each has a password of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salambot_cli.config.endpoints import postgres_url
from salambot_cli.docker.compose_project import Project
from salambot_cli.host.keys import (
    alternate_role_password,
    generate_secret,
    generated_secrets,
    postgres_role,
    set_generated,
)
from salambot_cli.model.errors import SalamBotError
from salambot_contracts.postgres_url import parse_postgres_url
from salambot_contracts.url_text import UrlError

if TYPE_CHECKING:
    import asyncpg

_HOST = "127.0.0.1"
_SECONDS = 10
_TWIN = "_twin"


class LocalLogins:
    """The roles of the environment's own Postgres. A login is a password: it tells which role it belongs to."""

    def __init__(self, root: Path, port: int, container: Project | None) -> None:
        self._root = root
        self._port = port
        self._container = container

    def current(self) -> str:
        """Return the password that the services are given."""
        return generated_secrets(self._root)["POSTGRES_PASSWORD"].reveal()

    def next(self) -> str:
        """Make a password of the other role."""
        return alternate_role_password(self.current())

    async def admit(self, login: str) -> None:
        """Make the other role where it is missing, and set its password."""
        await self._administer(login)
        async with _connected(postgres_url(_HOST, self._port, login)):
            pass

    async def adopt(self, login: str) -> None:
        """Give the services the other role."""
        set_generated(self._root, "POSTGRES_PASSWORD", login)

    async def retire(self) -> None:
        """Give the role before a password that nobody knows."""
        await self._administer(alternate_role_password(self.current()))

    async def _administer(self, login: str) -> None:
        """Set a login as the superuser: over the container's own socket, or with the password kept for it."""
        statements = _login_statements(postgres_role(login), login)
        if self._container is None:
            password = generated_secrets(self._root)["POSTGRES_ADMIN_PASSWORD"].reveal()
            async with _connected(f"postgres://postgres:{password}@{_HOST}:{self._port}/salambot") as connection:
                await connection.execute(statements)
            return
        psql = ("psql", "--no-psqlrc", "--quiet", "--username=postgres", "--set=ON_ERROR_STOP=1")
        ended = await self._container.execute("postgres", psql, _ignore, stdin=statements, silence_s=30)
        if ended.status != 0:  # what psql says may quote the statement
            raise SalamBotError("Postgres does not change the role", f"psql: {ended.status}", "salambot logs postgres")


class CloudLogins:
    """The roles of a Postgres elsewhere, changed by its administrator. A login is a URL."""

    def __init__(self, url: str, admin_url: str, store: Callable[[str], Awaitable[None]]) -> None:
        self._url = url
        self._admin_url = admin_url
        self._store = store

    async def check(self) -> None:
        """Raise SalamBotError unless the administrator can be reached."""
        async with _connected(self._admin_url):
            pass

    def current(self) -> str:
        """Return the URL that the services are given."""
        return self._url

    def next(self) -> str:
        """Return the URL with the other role, and a new password."""
        url = parse_postgres_url(self._url)
        return replace(url, user=_other(url.user), password=generate_secret("POSTGRES_PASSWORD")).text()

    async def admit(self, login: str) -> None:
        """Make the other role where it is missing, and set its password."""
        await self._set(login)
        async with _connected(login):
            pass

    async def adopt(self, login: str) -> None:
        """Store the URL where the services' secrets are."""
        await self._store(login)
        self._url = login

    async def retire(self) -> None:
        """Give the role before a password that nobody knows."""
        await self._set(self.next())

    async def _set(self, url: str) -> None:
        login = parse_postgres_url(url)
        async with _connected(self._admin_url) as connection:
            await connection.execute(_login_statements(login.user, login.password or ""))


def _other(role: str) -> str:
    return role.removesuffix(_TWIN) if role.endswith(_TWIN) else f"{role}{_TWIN}"


def _login_statements(role: str, password: str) -> str:
    """Set a role's password. A twin that is missing is made: it acts as the other role from its login on."""
    name, other = (f'"{one.replace(chr(34), chr(34) * 2)}"' for one in (role, _other(role)))
    return f"""
        DO $made$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {_literal(role)}) THEN
            CREATE ROLE {name} LOGIN;
            GRANT {other} TO {name};
            ALTER ROLE {name} SET role TO {other};
          END IF;
        END $made$;
        ALTER ROLE {name} PASSWORD {_literal(password)};"""  # nosec B608 - all four are quoted


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _ignore(_: str) -> None:
    """Hear nothing."""


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Connect; raises SalamBotError, which never quotes a statement: a password may stand in it."""
    import asyncpg

    try:
        parsed = parse_postgres_url(url)
    except UrlError as error:
        raise SalamBotError("this URL of Postgres cannot be used", error.reason, error.remedy) from None
    host = parsed.host
    try:
        arguments: dict[str, Any] = parsed.connect_arguments()
        connection = await asyncpg.connect(**arguments, timeout=_SECONDS, command_timeout=_SECONDS)
    except (OSError, TimeoutError) as error:
        why, fix = type(error).__name__, "salambot up; then rotate again"
        raise SalamBotError(f"Postgres at {host} does not answer", why, fix) from None
    except asyncpg.PostgresError as error:
        what = f"Postgres at {host} refuses {parsed.user}"
        raise SalamBotError(what, type(error).__name__, "salambot doctor") from None
    try:
        yield connection
    except asyncpg.PostgresError as error:
        fix = "use a role that may create roles and grant this one"
        raise SalamBotError(f"Postgres at {host} does not change the role", type(error).__name__, fix) from None
    finally:
        await connection.close(timeout=1)
