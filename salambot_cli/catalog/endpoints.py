"""URLs of databases and caches as another place sees them: another CA path, another port."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret
from salambot_cli.outside.keys import postgres_role


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
    return f"postgres://{postgres_role(password)}:{quote(password, safe='')}@{host}:{port}/salambot"


def redis_url(host: str, port: int, password: str) -> str:
    """Return the URL of an environment's own Redis."""
    return f"redis://:{quote(password, safe='')}@{host}:{port}/0"


def urls_with_ca(environment: Environment, postgres_ca: str, redis_ca: str) -> dict[str, Secret]:
    """Return the cloud URLs whose CA is configured, naming it by the path that their reader sees."""
    database, cache = environment.value("POSTGRES_URL"), environment.value("REDIS_URL")
    urls: dict[str, Secret] = {}
    if database and environment.postgres_ca and environment.placement("postgres") == "cloud":
        urls["POSTGRES_URL"] = Secret(with_query(database, sslrootcert=postgres_ca))
    if cache and environment.redis_ca and environment.placement("redis") == "cloud" and cache.startswith("rediss:"):
        urls["REDIS_URL"] = Secret(with_query(cache, ssl_ca_certs=redis_ca))
    return urls
