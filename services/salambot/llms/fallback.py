"""Answer extractively when the model fails, where the owner allows it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from salambot.core.problems import Problem
from salambot.core.schemas import ComposeRequest, Reply, ReplyCompleted, ReplyDelta, ReplyFailed
from salambot.llms.base import Llm

_log = structlog.get_logger(__name__)


class FallbackLlm:
    """Ask `first`; when it fails before it said anything, ask `second`."""

    def __init__(self, first: Llm, second: Llm) -> None:
        self._first = first
        self._second = second

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the reply of the first, or else of the second."""
        try:
            return await self._first.reply(request)
        except Problem as problem:
            _log.warning("the model failed, the local provider answers", code=problem.code)
            return await self._second.reply(request)

    async def stream(self, request: ComposeRequest) -> AsyncGenerator[ReplyDelta | ReplyCompleted | ReplyFailed, None]:
        """Yield the events of the first, or else of the second; never of both."""
        said_something = False
        try:
            async with aclosing(self._first.stream(request)) as events:
                async for event in events:
                    said_something = True
                    yield event
                return
        except Problem as problem:
            if said_something:
                raise
            _log.warning("the model failed, the local provider answers", code=problem.code)
        async with aclosing(self._second.stream(request)) as events:
            async for event in events:
                yield event

    async def aclose(self) -> None:
        """Close both."""
        await self._first.aclose()
        await self._second.aclose()
