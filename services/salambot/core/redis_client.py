"""The connection to Redis: bounded waits, and recovery by itself when Redis comes back."""

from fastapi import FastAPI, Request
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from starlette.responses import Response

from salambot.core.problems import Problem
from salambot_contracts.redis_url import parse_redis_url


def connect(redis_url: str) -> Redis:
    """Return a client that connects when it is first used.

    Connecting takes at most 1 s, an answer 5 s, waiting for one of 64 connections 2 s. A connection that broke is
    opened again once, so the first command after a restart of Redis works. Blocking reads must stay under 5 s.

    Raises UrlError where the URL cannot be used.
    """
    pool = BlockingConnectionPool.from_url(
        parse_redis_url(redis_url).text(),
        max_connections=64,
        timeout=2,
        socket_connect_timeout=1,
        socket_timeout=5,
        socket_keepalive=True,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


def redis_problem() -> Problem:
    """Return the problem that names Redis."""
    return Problem(503, "redis_unavailable", "redis does not answer.", headers={"Retry-After": "1"})


async def _answer_unavailable(_: Request, __: Exception) -> Response:
    return redis_problem().response()


def install(app: FastAPI) -> None:
    """Answer an error of Redis as a 503 problem that names it."""
    app.add_exception_handler(RedisError, _answer_unavailable)
