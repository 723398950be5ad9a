"""Two roles of Postgres that take turns: both act as the one that owns the tables, each has a password of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from salambot_cli.catalog.endpoints import postgres_url
from salambot_cli.model.errors import SalamBotError
from salambot_cli.outside.keys import generated_secrets, new_secret, postgres_role, set_generated, twin_password

if TYPE_CHECKING:
    import asyncpg

_HOST = "127.0.0.1"
_SECONDS = 10
_TWIN = "_twin"


class LoginRefusedError(SalamBotError):
    """Postgres does not take this role and password."""


class LocalLogins:
    """The roles of the environment's own Postgres. A login is a password: it tells which role it belongs to."""

    def __init__(self, root: Path, port: int) -> None:
        self._root = root
        self._port = port

    def current(self) -> str:
        """Return the password that the services are given."""
        return generated_secrets(self._root)["POSTGRES_PASSWORD"].reveal()

    def next(self) -> str:
        """Make a password of the other role."""
        return twin_password(self.current())

    async def admit(self, login: str) -> None:
        """Make the other role where it is missing, and set its password."""
        async with self._administrator() as connection:
            await _set_login(connection, postgres_role(login), login)
        async with _connected(postgres_url(_HOST, self._port, login)):
            pass

    async def adopt(self, login: str) -> None:
        """Give the services the other role."""
        set_generated(self._root, "POSTGRES_PASSWORD", login)

    async def retire(self) -> None:
        """Give the role before a password that nobody knows."""
        unknown = twin_password(self.current())
        async with self._administrator() as connection:
            await _set_login(connection, postgres_role(unknown), unknown)

    @asynccontextmanager
    async def _administrator(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """Connect as the superuser of the embedded server; in the container the services' own role is one."""
        password = generated_secrets(self._root)["POSTGRES_ADMIN_PASSWORD"].reveal()
        url = f"postgres://postgres:{password}@{_HOST}:{self._port}/salambot"
        try:
            async with _connected(url):
                pass
        except LoginRefusedError:
            url = postgres_url(_HOST, self._port, self.current())
        async with _connected(url) as connection:
            if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
                why = "it was made by a version that kept no administrator's password"
                fix = "salambot down --volumes; salambot up"
                raise SalamBotError("this local database has one role only", why, fix)
            yield connection


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
        parts = urlsplit(self._url)
        login = f"{quote(_other(unquote(parts.username or '')), safe='')}:{new_secret('POSTGRES_PASSWORD')}"
        return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()

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
        parts = urlsplit(url)
        async with _connected(self._admin_url) as connection:
            await _set_login(connection, unquote(parts.username or ""), parts.password or "")


def _other(role: str) -> str:
    return role.removesuffix(_TWIN) if role.endswith(_TWIN) else f"{role}{_TWIN}"


async def _set_login(connection: "asyncpg.Connection[asyncpg.Record]", role: str, password: str) -> None:
    """Set a role's password. A twin that is missing is made: it acts as the other role from its login on."""
    name, other = await _quoted(connection, role), await _quoted(connection, _other(role))
    async with connection.transaction():
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {name} LOGIN")
            await connection.execute(f"GRANT {other} TO {name}")
            await connection.execute(f"ALTER ROLE {name} SET role TO {other}")
        await connection.execute(f"ALTER ROLE {name} PASSWORD '{password}'")  # hexadecimal: nothing to quote


async def _quoted(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> str:
    return str(await connection.fetchval("SELECT quote_ident($1)", name))


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Connect; raises SalamBotError, which never quotes a statement: a password may stand in it."""
    import asyncpg

    host = urlsplit(url).hostname
    try:
        connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS)
    except (OSError, TimeoutError) as error:
        why, fix = type(error).__name__, "salambot up; then rotate again"
        raise SalamBotError(f"Postgres at {host} does not answer", why, fix) from None
    except asyncpg.PostgresError as error:
        what = f"Postgres at {host} refuses {urlsplit(url).username}"
        raise LoginRefusedError(what, type(error).__name__, "salambot doctor") from None
    try:
        yield connection
    except asyncpg.PostgresError as error:
        fix = "use a role that may create roles and grant this one"
        raise SalamBotError(f"Postgres at {host} does not change the role", type(error).__name__, fix) from None
    finally:
        await connection.close(timeout=1)
