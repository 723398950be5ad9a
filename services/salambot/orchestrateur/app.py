"""orchestrateur: coordinates a reply, and keeps the conversation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

import structlog
from fastapi import FastAPI

from salambot.core import database, redis_client
from salambot.core.database import DatabaseUnavailableError
from salambot.core.explanations import ExplainRequest
from salambot.core.schemas import ReplyRequest
from salambot.http.application import Check, add_exchange, service_app
from salambot.knowledge.documents_api import add_documents
from salambot.orchestrateur.audit_api import add_records
from salambot.orchestrateur.audit_chain import HashChain
from salambot.orchestrateur.conversations import Conversations
from salambot.orchestrateur.conversations_api import add_conversations
from salambot.orchestrateur.dialogue import Dialogue
from salambot.orchestrateur.settings import OrchestrateurSettings
from salambot.rpc.json_endpoint import JsonEndpoint
from salambot.rpc.reply_endpoint import ReplyEndpoint
from salambot.rpc.service_client import ServiceClient
from salambot.telemetry.commands import add_commands
from salambot.telemetry.query_api import add_routes
from salambot.webhooks.api import add_console

_FORGETTING_EVERY_SECONDS = 3600
_log = structlog.get_logger(__name__)


def create_app(settings: OrchestrateurSettings | None = None) -> FastAPI:
    """Build the service; without `settings` it reads its environment."""
    chosen = settings or OrchestrateurSettings()
    redis = redis_client.connect(chosen.redis_url.get_secret_value())
    key = (chosen.user_hash_key or chosen.internal_token).get_secret_value().encode()
    rag = ServiceClient("rag", chosen.rag_url, chosen.internal_token)
    nlu = ServiceClient("nlu", chosen.nlu_url, chosen.internal_token)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis.aclose)
            await stack.enter_async_context(rag)
            await stack.enter_async_context(nlu)
            app.state.pool = await database.connect(chosen.postgres_url.get_secret_value(), max_size=12)
            stack.callback(app.state.pool.terminate)
            conversations = Conversations(app.state.pool, redis)
            dialogue = Dialogue(chosen, rag, nlu, conversations)
            add_exchange(app, "/internal/reply", ReplyEndpoint(ReplyRequest, dialogue))
            explanation = JsonEndpoint(ExplainRequest, partial(_explain, dialogue))
            add_exchange(app, "/internal/search/explain", explanation)
            forgetting = asyncio.create_task(_forget(conversations, timedelta(days=chosen.conversation_retention_days)))
            stack.callback(forgetting.cancel)
            sealing = asyncio.create_task(
                HashChain(app.state.pool, key).run(timedelta(days=chosen.audit_retention_days))
            )
            stack.callback(sealing.cancel)
            yield

    async def postgres() -> None:
        if not await database.is_reachable(app.state.pool):
            raise database.database_problem()

    async def ping_redis() -> None:
        await redis.ping()

    checks = (
        Check("postgres", postgres),
        Check("redis", ping_redis, matters=False),
        Check("rag", rag.check),
        Check("nlu", nlu.check),
    )
    app = service_app("orchestrateur", chosen, lifespan=lifespan, checks=checks)
    database.install(app)

    add_console(app, redis, key)
    add_conversations(app)
    add_records(app, redis, key)
    add_documents(app, redis)
    add_commands(app)
    add_routes(app, redis)
    return app


async def _explain(dialogue: Dialogue, request: ExplainRequest) -> bytes:
    """Return a ReplyExplanation."""
    return (await dialogue.explain(request)).model_dump_json().encode()


async def _forget(conversations: Conversations, older_than: timedelta) -> None:
    """Purge old turns now and every hour; wait while Postgres is down."""
    while True:
        with suppress(DatabaseUnavailableError):
            if forgotten := await conversations.purge(older_than):
                _log.info("old turns are forgotten", turns=forgotten)
        await asyncio.sleep(_FORGETTING_EVERY_SECONDS)
