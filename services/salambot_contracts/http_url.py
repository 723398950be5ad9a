"""The web addresses of an environment, read in one way by validation, the services and the doctor."""

from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

from salambot_contracts.url_text import Host, UrlError, encode_userinfo, split_url

QDRANT_PORT, QDRANT_GRPC_PORT = 6333, 6334
_EXAMPLE = "https://host:port/path"
_QDRANT_EXAMPLE = "https://host:6333"
_OPENAI_EXAMPLE = "https://host/v1"
_OPENAI_HOST = "api.openai.com"
_OPENAI_CALLS = ("/chat/completions", "/completions", "/responses", "/embeddings", "/models", "/chat")
_QDRANT_PAGES = ("/dashboard", "/collections", "/healthz", "/readyz")


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """A web address. `path` is empty or begins with `/`, and never ends with one."""

    scheme: str
    host: str
    port: int | None = None
    """None where the URL says nothing: clients take 80 or 443 then."""
    path: str = ""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    """The corrections, in words."""

    @property
    def is_secure(self) -> bool:
        """Return True for https."""
        return self.scheme == "https"

    def text(self) -> str:
        """Return the address, without a `/` at its end."""
        location = encode_userinfo(self.user, self.password) + Host(self.host, self.port).text()
        query = f"?{urlencode(self.query, quote_via=quote)}" if self.query else ""
        return f"{self.scheme}://{location}{quote(self.path, safe='/:@!$&()*+,;=~')}{query}"


def parse_http_url(text: str, example: str = _EXAMPLE) -> HttpUrl:
    """Read a web address. Raises UrlError."""
    parts = split_url(text, example)
    if parts.scheme not in {"http", "https"}:
        raise UrlError("is not an https:// URL", f"write {example}")
    if len(parts.hosts) != 1 or parts.hosts[0].is_socket:
        raise UrlError("does not name one host", f"write {example}")
    (host,) = parts.hosts
    path = f"/{parts.path}".rstrip("/")
    query = tuple(parts.parameters.items())
    return HttpUrl(parts.scheme, host.name, host.port, path, query, parts.user, parts.password, parts.notes)


def parse_qdrant_url(text: str) -> HttpUrl:
    """Read QDRANT_URL; without a port Qdrant's own clients take 6333, also for https. Raises UrlError."""
    url = _bare(parse_http_url(text, _QDRANT_EXAMPLE), "QDRANT_API_KEY", _QDRANT_EXAMPLE)
    if url.port == QDRANT_GRPC_PORT:
        raise UrlError("names port 6334, which speaks gRPC", f"write port {QDRANT_PORT}")
    page = next((page for page in _QDRANT_PAGES if url.path.endswith(page)), "")
    notes = (*url.notes, f"{page} is left out: the address of the server is enough") if page else url.notes
    return replace(url, port=url.port or QDRANT_PORT, path=url.path.removesuffix(page), notes=notes)


def parse_openai_url(text: str) -> HttpUrl:
    """Read OPENAI_BASE_URL: a full path such as /v1/chat/completions is cut back to its base. Raises UrlError."""
    url = _bare(parse_http_url(text, _OPENAI_EXAMPLE), "OPENAI_API_KEY", _OPENAI_EXAMPLE, query=True)
    call = next((call for call in _OPENAI_CALLS if url.path.endswith(call)), "")
    path, notes = url.path.removesuffix(call), url.notes
    if call:
        notes = (*notes, f"{call} is left out: the base URL ends before it")
    if url.host == _OPENAI_HOST and not path:
        path, notes = "/v1", (*notes, "/v1 is added: the API of OpenAI stands there")
    return replace(url, path=path, notes=notes)


def _bare(url: HttpUrl, key: str, example: str, *, query: bool = False) -> HttpUrl:
    if url.user or url.password:
        raise UrlError("holds a user name or password", f"put the key into {key}, and write {example}")
    if url.query and not query:
        raise UrlError("holds parameters, which nothing reads", f"write {example}")
    return url
