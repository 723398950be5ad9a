"""Rewrite URLs of databases and caches for another place: another CA path, another port."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from salambot_cli.host.keys import postgres_role
from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import Component
from salambot_contracts.http_url import parse_http_url
from salambot_contracts.postgres_url import parse_postgres_url
from salambot_contracts.redis_url import RedisUrl, parse_redis_url
from salambot_contracts.url_text import UrlError


def with_port(url: str, port: int) -> str:
    """Set the port of a URL of Postgres or Redis; its host stays, so that TLS still verifies the real name."""
    if _is_redis(url):
        return replace(parse_redis_url(url), port=port).text()
    parsed = parse_postgres_url(url)
    return replace(parsed, hosts=(replace(parsed.hosts[0], port=port),)).text()


def host_and_port(url: str, default_port: int) -> tuple[str, int]:
    """Return where a URL leads; an empty host where there is no URL. Raises UrlError."""
    if not url:
        return "", default_port
    if url.startswith(("http:", "https:")):
        web = parse_http_url(url)
        return web.host, web.port or default_port
    parsed = parse_redis_url(url) if _is_redis(url) else parse_postgres_url(url)
    return parsed.host, parsed.port


def _is_redis(url: str) -> bool:
    return url.startswith(("redis", "valkey", "unix:"))


def postgres_url(host: str, port: int, password: str) -> str:
    """Return the URL of an environment's own Postgres."""
    return f"postgres://{postgres_role(password)}:{quote(password, safe='')}@{host}:{port}/salambot"


def redis_url(host: str, port: int, password: str) -> str:
    """Return the URL of an environment's own Redis."""
    return f"redis://:{quote(password, safe='')}@{host}:{port}/0"


def ca_bundle(environment: Environment, part: Component, url: str | None = None) -> Path | None:
    """Return the file of CAs that a cloud store is verified with: of `salambot.toml`, else the one its URL names.

    A relative path begins at the project's folder. `url` is the store's, where it was read from Secrets Manager.
    """
    if environment.placement(part) != "cloud":
        return None
    configured = environment.postgres_ca if part == "postgres" else environment.redis_ca
    named = _named_bundle(url or environment.value(f"{part.upper()}_URL") or "")
    return configured or (environment.project / Path(named).expanduser() if named else None)


def _named_bundle(url: str) -> str | None:
    try:
        root = parse_redis_url(url).ca if _is_redis(url) else parse_postgres_url(url).sslrootcert
    except UrlError:
        return None
    return root if root != "system" else None


def has_client_certificate(url: str) -> bool:
    """Return whether a URL names files of a client's certificate, which only this machine has."""
    try:
        parsed = parse_redis_url(url) if _is_redis(url) else parse_postgres_url(url)
    except UrlError:
        return False
    return bool(parsed.certificate if isinstance(parsed, RedisUrl) else parsed.sslcert)


def urls_with_ca(environment: Environment, postgres_ca: str = "", redis_ca: str = "") -> dict[str, Secret]:
    """Return the cloud URLs that have a file of CAs, naming it by the path that their reader sees."""
    database, cache = environment.value("POSTGRES_URL"), environment.value("REDIS_URL")
    urls: dict[str, Secret] = {}
    if database and (bundle := ca_bundle(environment, "postgres")):
        url = replace(parse_postgres_url(database), sslrootcert=postgres_ca or str(bundle))
        urls["POSTGRES_URL"] = Secret(url.text())
    if cache and (bundle := ca_bundle(environment, "redis")) and parse_redis_url(cache).tls:
        urls["REDIS_URL"] = Secret(replace(parse_redis_url(cache), ca=redis_ca or str(bundle)).text())
    return urls
