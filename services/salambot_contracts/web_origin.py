"""Origins of web pages, read in one way by the configuration and the gateway."""

from ipaddress import IPv6Address

from salambot_contracts.http_url import HttpUrl, parse_http_url
from salambot_contracts.url_text import Host, UrlError

_EXAMPLE = "https://shop.example"
_USUAL_PORTS = {"https": 443, "http": 80}


def parse_origin(text: str) -> str:
    """Return an origin as browsers send it in `Origin`: no path, an ASCII host, no usual port. Raises UrlError."""
    if "*" in text:
        raise UrlError("holds *, and an origin is compared as a whole", "write one entry for each site")
    url = parse_http_url(text, _EXAMPLE)
    if url.path or url.query or url.user or url.password:
        raise UrlError("holds more than scheme, host and port", f"write {_EXAMPLE}")
    port = None if url.port == _USUAL_PORTS[url.scheme] else url.port
    return f"{url.scheme}://{Host(_ascii_host(url), port).text()}"


def _ascii_host(url: HttpUrl) -> str:
    if ":" in url.host:
        return IPv6Address(url.host).compressed
    try:
        return url.host.encode("idna").decode()
    except UnicodeError as error:
        raise UrlError("names a host that cannot exist", f"write {_EXAMPLE}") from error
