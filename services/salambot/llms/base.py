"""The LLM protocol: a reply to a prompt from passages, whole or streamed."""

from collections.abc import AsyncGenerator
from typing import Protocol

from salambot.core.schemas import ComposeRequest, Reply, ReplyCompleted, ReplyDelta, ReplyFailed


class Llm(Protocol):
    """A provider. Both ways of asking raise Problem (502, 503 or 504) when the provider fails."""

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the whole reply, in the language of the prompt, resting on `request.passages`."""
        ...

    def stream(self, request: ComposeRequest) -> AsyncGenerator[ReplyDelta | ReplyCompleted | ReplyFailed, None]:
        """Yield the reply's text in pieces, then the whole once. Closing the iterator cancels the call."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
