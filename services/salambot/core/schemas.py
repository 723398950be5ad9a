"""The shapes that cross a wire: API v1 at the public edge, and the internal API between the services."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

SCHEMA_VERSION = "1.0"

Channel = Literal["webchat", "messenger", "whatsapp", "api"]
Language = Literal["fr", "ar", "ary", "ary-Latn", "en"]
"""BCP 47: French, Modern Standard Arabic, Darija in Arabic script, Darija in Latin script (Arabizi), English."""
Provider = Literal["local", "openai"]


def utc_text(moment: datetime) -> str:
    """Format a moment as every timestamp that leaves the system: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def _written_date(given: object) -> object:
    """Refuse a number of seconds, which pydantic would take for UTC: an incoming timestamp names its offset."""
    if isinstance(given, datetime) or (isinstance(given, str) and given[4:5] == "-"):
        return given
    raise ValueError("a timestamp is text with an offset, as RFC 3339 writes it")


UtcTimestamp = Annotated[AwareDatetime, PlainSerializer(utc_text, return_type=str)]
GivenTimestamp = Annotated[UtcTimestamp, BeforeValidator(_written_date)]
SchemaVersion = Annotated[str, StringConstraints(pattern=r"^1\.[0-9]{1,8}$")]
TENANT_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
TenantName = Annotated[str, StringConstraints(pattern=TENANT_PATTERN)]
"""A DNS label (RFC 1123): it becomes a folder, an object prefix, a namespace and a Compose project."""
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
"""Printable ASCII without spaces: it travels in headers and logs."""
Locale = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*$")]

Text = Annotated[str, StringConstraints(max_length=32_000, pattern=r"^[^\x00]*$")]
"""Text written by people. U+0000 is refused because Postgres cannot store it."""
WrittenText = Annotated[str, StringConstraints(max_length=32_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
"""Text that is more than white space."""


class Message(BaseModel):
    """The base of every shape: unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class Turn(Message):
    """One earlier turn of a conversation."""

    role: Literal["user", "assistant"]
    content: Text


class Prompt(Message):
    """The customer's message and the earlier turns, oldest first."""

    prompt: WrittenText
    context: Annotated[list[Turn], Field(max_length=100)] = []


class GenerateRequest(Message):
    """`POST /v1/generate/reply`."""

    schema_version: SchemaVersion
    tenant: TenantName
    channel: Channel
    message_id: Identifier
    correlation_id: Identifier | None = None
    timestamp: GivenTimestamp
    locale: Locale | None = None
    data: Prompt


class Citation(Message):
    """A passage that the reply rests on; `score` is 0 to 1, higher is better."""

    id: str
    title: str
    uri: str
    score: float


class Usage(Message):
    """Tokens, as the provider counts them (the local provider counts words)."""

    input_tokens: int = 0
    output_tokens: int = 0


class Reply(Message):
    """An answer in the language of the prompt. Also what nlu and orchestrateur return internally."""

    reply: str
    language: Language
    citations: list[Citation] = []
    model: str
    provider: Provider
    finish_reason: Literal["stop", "length", "content_filter"] = "stop"
    usage: Usage = Usage()


class GenerateResponse(Message):
    """The response of `POST /v1/generate/reply`, and the payload of `reply.completed`."""

    schema_version: str = SCHEMA_VERSION
    tenant: str
    channel: Channel
    message_id: str
    correlation_id: str
    timestamp: UtcTimestamp
    locale: str | None
    data: Reply
    trace_id: str


def _number(given: object) -> object:
    """Refuse text and truth values, which pydantic would convert; 3.0 is an integer to JSON Schema."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("a number is needed")  # noqa: TRY004 - pydantic reports ValueError
    return given


class SearchRequest(Message):
    """`POST /v1/search/query`. `filter` matches metadata exactly."""

    query: WrittenText
    tenant: TenantName
    top_k: Annotated[int, Field(ge=1, le=20), BeforeValidator(_number)] = 3
    filter: Annotated[dict[str, str], Field(max_length=16)] = {}


class RetrievalRequest(SearchRequest):
    """`/internal/search`: a search, with the question before it where this one leans on that.

    `floor` is the least probability of an answer; None: as rag is configured.
    """

    before: Text = ""
    floor: Annotated[float, Field(ge=0, le=1)] | None = None


class Passage(Message):
    """A retrieved chunk. `score` is the probability that it answers; `chunk` counts from 0 in its document."""

    id: str
    score: float
    title: str
    text: str
    uri: str
    language: str
    chunk: int
    metadata: dict[str, str] = {}


class SearchResponse(Message):
    """The response of `POST /v1/search/query`."""

    schema_version: str = SCHEMA_VERSION
    tenant: str
    query_id: str
    timestamp: UtcTimestamp
    results: list[Passage]
    took_ms: float


class RetrievedPassages(Message):
    """The response of rag's `/internal/search`."""

    results: list[Passage]
    took_ms: float


class IndexState(Message):
    """The response of rag's `GET /internal/index?tenant=`."""

    tenant: str
    vector: str
    documents: int
    chunks: int


class ReplyRequest(Message):
    """orchestrateur's `/internal/reply`. `user` is a keyed hash, never an id of a channel."""

    tenant: TenantName
    channel: Channel
    message_id: Identifier
    correlation_id: Identifier
    locale: str | None = None
    prompt: str
    context: list[Turn] = []
    user: str | None = None


class ComposeRequest(Message):
    """nlu's `/internal/generate`: compose a reply to `prompt` from `passages`, best first.

    `question` is what the passages were retrieved for: the prompt, or what it means after earlier turns.
    `contact` is what the documents hold on how to reach the business, where the passages are none.
    """

    tenant: TenantName
    prompt: str
    question: str | None = None
    contact: str | None = None
    locale: str | None = None
    context: list[Turn] = []
    passages: list[Passage] = []


class ReplyDelta(Message):
    """One line of an internal stream (`application/x-ndjson`): a piece of the reply's text."""

    event: Literal["delta"] = "delta"
    text: str


class ReplyCompleted(Message):
    """The last line of an internal stream that went well."""

    event: Literal["completed"] = "completed"
    reply: Reply


class ReplyFailed(Message):
    """The last line of an internal stream that broke: an RFC 9457 problem."""

    event: Literal["failed"] = "failed"
    problem: dict[str, object]


StreamEvent = Annotated[ReplyDelta | ReplyCompleted | ReplyFailed, Field(discriminator="event")]
