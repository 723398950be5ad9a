"""Connections to Postgres that are safe behind a pooler of transactions, where each statement may meet another server.

A pooler (PgBouncer, Supavisor, RDS Proxy, a provider's own) keeps no prepared statement and no setting between two
transactions, and refuses settings that a client asks for when it connects. Whether one stands in between is seen from
the process id: the pooler's greeting has one of its own.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from salambot_contracts.postgres_url import PostgresUrl

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:  # not subscriptable at run time
    Connection = asyncpg.Connection

ANNOUNCED = {"application_name": "salambot", "timezone": "UTC"}
"""The settings that poolers take from a client that connects."""
SEARCHING: Mapping[str, str] = {
    "hnsw.iterative_scan": "strict_order",  # a search goes on until enough rows of the tenant are found
    "hnsw.ef_search": "40",
    "jit": "off",
}
"""The settings of a service's connections."""


class LockHeldError(Exception):
    """Somebody else held an advisory lock all the time."""


class Session(Connection):
    """A connection that gives each statement with arguments a transaction, where a pooler would part its messages."""

    is_pooled = False
    at_begin = ""
    """The statement that begins every transaction, where settings do not outlive one."""

    async def execute(self, query: str, *args: object, **options: Any) -> str:  # noqa: ANN401 - asyncpg's own
        """Execute; a query without arguments is one message, which no pooler parts."""
        if not args:
            begun = f"{query} {self.at_begin}" if query.startswith("BEGIN") else query
            return await super().execute(begun, **options)
        async with self._kept_together():
            return await super().execute(query, *args, **options)

    async def executemany(self, command: str, args: Any, **options: Any) -> None:  # noqa: ANN401 - asyncpg's own
        """Execute many times, atomically."""
        async with self._kept_together():
            await super().executemany(command, args, **options)

    async def fetch(self, query: str, *args: object, **options: Any) -> Any:  # noqa: ANN401 - asyncpg's own
        """Return all rows."""
        async with self._kept_together():
            return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: object, **options: Any) -> Any:  # noqa: ANN401 - asyncpg's own
        """Return the first row."""
        async with self._kept_together():
            return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: object, **options: Any) -> Any:  # noqa: ANN401 - asyncpg's own
        """Return a value of the first row."""
        async with self._kept_together():
            return await super().fetchval(query, *args, **options)

    @asynccontextmanager
    async def _kept_together(self) -> AsyncIterator[None]:
        if not self.is_pooled or self.is_in_transaction():
            yield
            return
        async with self.transaction():
            yield


class Connector:
    """Opens the connections of one pool, as `connect` of `asyncpg.create_pool`. Finds out once what stands between."""

    def __init__(self, url: PostgresUrl, ca: Path | None = None, settings: Mapping[str, str] = SEARCHING) -> None:
        """Read the certificate files; raises OSError or ssl.SSLError where one cannot be used."""
        self._settings = settings
        self._arguments = url.connect_arguments(str(ca) if ca is not None else None)
        self._is_pooled: bool | None = True if url.is_pooled else None

    async def __call__(self, _dsn: None = None, **arguments: Any) -> Session:  # noqa: ANN401 - what asyncpg's pool hands on
        """Open a connection. Raises what `asyncpg.connect` raises."""
        if self._is_pooled is None:
            probe = await self._open(arguments, is_pooled=True)
            with _closed_on_error(probe):
                self._is_pooled = await is_pooled(probe)
                if self._is_pooled:
                    return probe
                await probe.close(timeout=2)
        return await self._open(arguments, is_pooled=self._is_pooled)

    async def _open(self, arguments: dict[str, Any], *, is_pooled: bool) -> Session:
        given = {**self._arguments, "server_settings": ANNOUNCED, **arguments, "connection_class": Session}
        if is_pooled:
            given["statement_cache_size"] = 0
        session: Session = await asyncpg.connect(**given)
        session.is_pooled = is_pooled
        command = "SET LOCAL" if is_pooled else "SET"
        settings = "".join(f"{command} {name} = '{value}';" for name, value in self._settings.items())
        if is_pooled:
            session.at_begin = settings
        elif settings:
            with _closed_on_error(session):
                await session.execute(settings)
        return session


@contextmanager
def _closed_on_error(session: Session) -> Iterator[None]:
    """Close a connection that nobody gets, because its caller left or its server broke off."""
    try:
        yield
    except BaseException:
        session.terminate()
        raise


async def is_pooled(session: Session) -> bool:
    """Return True where what greeted us is not the server that works: a pooler, which may change it at any time."""
    async with session.transaction():
        return int(await session.fetchval("SELECT pg_backend_pid()")) != session.get_server_pid()


@asynccontextmanager
async def hold_lock(
    connection: "Session | PoolConnectionProxy[asyncpg.Record]",
    key: str,
    *,
    shared: bool = False,
    seconds: float,
    on_wait: Callable[[], None] = lambda: None,
) -> AsyncIterator[None]:
    """Hold an advisory lock: it goes with the connection, so a killed process leaves none.

    Args:
        connection: one that does nothing else that has to be kept meanwhile.
        key: an SQL expression of a bigint.
        shared: as many as like may hold it at once.
        seconds: how long to wait for it.
        on_wait: called when somebody else holds it.

    Raises:
        LockHeldError: somebody held it all the time.
    """
    session = cast("Session", connection)  # a pool's proxy hands everything on to one
    taken = "xact_" if session.is_pooled else ""
    kind = "_shared" if shared else ""
    async with session.transaction() if session.is_pooled else nullcontext():
        if session.is_pooled:  # the server is ours for this transaction alone
            await session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if not await session.fetchval(f"SELECT pg_try_advisory_{taken}lock{kind}({key})"):
            on_wait()
            try:
                await session.fetchval(f"SELECT pg_advisory_{taken}lock{kind}({key})", timeout=seconds)
            except TimeoutError as error:
                raise LockHeldError(f"another process has held its lock for {seconds:g} s") from error
        try:
            yield
        finally:
            if not session.is_pooled and not session.is_closed():
                await session.fetchval(f"SELECT pg_advisory_unlock{kind}({key})")
