"""URLs of databases and caches as another place sees them: another CA path, another port."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit


def with_query(url: str, **parameters: str) -> str:
    """Set query parameters of a URL, in place of those it has."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | parameters
    return parts._replace(query=urlencode(query, safe="/", quote_via=quote)).geturl()


def with_port(url: str, port: int) -> str:
    """Set the port of a URL; its host stays, so that TLS still verifies the real name."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name = host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return parts._replace(netloc=f"{user}{at}{name}:{port}").geturl()


def host_and_port(url: str, default_port: int) -> tuple[str, int]:
    """Return where a URL leads."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or default_port


def postgres_url(host: str, port: int, password: str) -> str:
    """Return the URL of an environment's own Postgres."""
    return f"postgres://salambot:{quote(password, safe='')}@{host}:{port}/salambot"


def redis_url(host: str, port: int, password: str) -> str:
    """Return the URL of an environment's own Redis."""
    return f"redis://:{quote(password, safe='')}@{host}:{port}/0"
