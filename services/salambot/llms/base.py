"""What every LLM provider offers: a reply to a prompt from passages, whole or in pieces."""

from collections.abc import AsyncGenerator
from typing import Protocol

from salambot.messages import Completed, ComposeRequest, Delta, Failed, Reply


class Llm(Protocol):
    """A provider. Both ways of asking raise Problem (502, 503 or 504) when the provider fails."""

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the whole reply, in the language of the prompt, resting on `request.passages`."""
        ...

    def stream(self, request: ComposeRequest) -> AsyncGenerator[Delta | Completed | Failed, None]:
        """Yield the reply's text in pieces, then the whole once. Closing the iterator cancels the call."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
