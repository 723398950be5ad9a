"""Answers of compatible servers, read into the few fields that are used; what is odd and harmless is accepted."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from salambot.core.schemas import Usage

FinishReason = Literal["stop", "length", "content_filter"]
_REASONS: dict[str, FinishReason] = {
    "length": "length", "max_tokens": "length", "max_output_tokens": "length", "model_length": "length",
    "content_filter": "content_filter", "content_filtered": "content_filter", "safety": "content_filter",
    "refusal": "content_filter",
}  # fmt: skip


def _text(given: object) -> str:
    """Return the text of a content: a string, nothing, or a list of parts of which some are text."""
    if isinstance(given, str):
        return given
    if isinstance(given, list):
        return "".join(_text_of_part(part) for part in given)
    return ""


def _text_of_part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in {"text", "output_text"}:
        return ""
    text = part.get("text")
    return (
        text if isinstance(text, str) else _text_of_part(text) if isinstance(text, dict) else str(part.get("value", ""))
    )


def _count(given: object) -> int:
    return max(0, int(given)) if isinstance(given, int | float) else 0


def _listed(given: object) -> object:
    return given if isinstance(given, list) else []


def _told(given: object) -> object:
    return given if isinstance(given, dict) else {}


Content = Annotated[str, BeforeValidator(_text)]
Count = Annotated[int, BeforeValidator(_count)]


class Shape(BaseModel):
    """A part of an answer; what is wrong with it is told without quoting it."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Tokens(Shape):
    """Usage, by the names of either API."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    input_tokens: Count = 0
    output_tokens: Count = 0

    def counted(self) -> Usage:
        """Return them by our names."""
        return Usage(
            input_tokens=self.prompt_tokens or self.input_tokens,
            output_tokens=self.completion_tokens or self.output_tokens,
        )


class ChatMessage(Shape):
    """The message of a model; its reasoning, where it stands in a member of its own, is not read."""

    content: Content = ""
    refusal: Content = ""


MessageOrNothing = Annotated[ChatMessage, BeforeValidator(_told)]
TokensOrNothing = Annotated[Tokens, BeforeValidator(_told)]


class Choice(Shape):
    """One answer: a message, or a piece of one in a stream."""

    message: MessageOrNothing = ChatMessage()
    delta: MessageOrNothing = ChatMessage()
    text: Content = ""
    finish_reason: str | None = None

    @property
    def said(self) -> str:
        """Its text."""
        return self.message.content or self.delta.content or self.text

    @property
    def refusal(self) -> str:
        """The refusal in place of an answer."""
        return self.message.refusal or self.delta.refusal


class StreamChunk(Shape):
    """A piece of a chat completion's stream; the first and the last may hold no choice."""

    choices: Annotated[list[Choice], BeforeValidator(_listed)] = []
    model: str | None = None
    usage: TokensOrNothing = Tokens()


class Completion(StreamChunk):
    """A whole chat completion."""

    choices: Annotated[list[Choice], Field(min_length=1)]


class ResponsePart(Shape):
    """A part of an item: text, or a refusal."""

    type: str = ""
    text: Content = ""
    refusal: Content = ""


class ResponseItem(Shape):
    """An item of a response: a message, or reasoning, which has no content of these types."""

    content: Annotated[list[ResponsePart], BeforeValidator(_listed)] = []


class Details(Shape):
    """Why a response is not complete."""

    reason: str | None = None


class ResponseShape(Shape):
    """A whole response of the Responses API."""

    output: list[ResponseItem]
    model: str | None = None
    status: str | None = None
    incomplete_details: Details | None = None
    usage: TokensOrNothing = Tokens()

    @property
    def text(self) -> str:
        """The text of the answer."""
        return "".join(part.text for item in self.output for part in item.content if part.type == "output_text")

    @property
    def refusal(self) -> str:
        """The refusal in place of an answer."""
        return "".join(part.refusal for item in self.output for part in item.content)

    @property
    def finish_reason(self) -> FinishReason:
        """Why it ended."""
        if self.refusal and not self.text:
            return "content_filter"
        return finish_reason(self.incomplete_details.reason if self.incomplete_details else None)


class ResponseEvent(Shape):
    """An event of a response's stream."""

    type: str = ""
    delta: Content = ""
    response: ResponseShape | None = None


def finish_reason(given: str | None) -> FinishReason:
    """Return why an answer ended, by our names."""
    return _REASONS.get((given or "").casefold(), "stop")
