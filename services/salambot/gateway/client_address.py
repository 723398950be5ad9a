"""The caller's address class: this machine, its Compose network, or remote through a proxy or tunnel."""

import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import psutil
from starlette.types import ASGIApp, Receive, Scope, Send

from salambot.core.problems import Problem

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
HOSTS = frozenset({"localhost", "127.0.0.1", "gateway"})

_PORT = re.compile(r":\d+$")
_NEVER_FORWARDED = frozenset({"/metrics", "/docs", "/openapi.json"})
_ADDED_BY_PROXIES = re.compile(
    rb"forwarded|via|cdn-.*|proxy-.*|x-cache(-.*)?|"
    rb"(x-)?(forwarded|original|envoy|azure|arr|amzn?|akamai|appengine|goog|google|vercel|nf|fly|fastly|cloud|nginx|ngrok|"
    rb"sucuri|proxy|proxyuser|coming|varnish|cf|fd|served|scheme|host|country)-.*|"
    rb"(x-)?([a-z]+-)*(client|real|connecting|remote|source|originating|user|peer|visitor)-(ip|addr|address)"
)
"""What proxies, balancers, content networks and tunnels add: a vendor's prefix, or the name of the caller's address."""
_NAMED_BY_PROXIES = frozenset({b"cf-connecting-ip", b"x-forwarded-for"})


def own_networks() -> tuple[Network, ...]:
    """Return the private networks that this machine (in Compose: this container) has an address in."""
    found: list[Network] = []
    for addresses in psutil.net_if_addrs().values():
        for item in addresses:
            if item.family == socket.AF_INET and item.netmask:
                network = ip_network(f"{item.address}/{item.netmask}", strict=False)
                if network.is_private and not network.is_loopback:
                    found.append(network)
    return tuple(found)


def is_forwarded(scope: Scope) -> bool:
    """Return whether a proxy or tunnel passed this request on."""
    return any(_ADDED_BY_PROXIES.fullmatch(name) for name, _ in _headers(scope))


def has_loopback_host(scope: Scope) -> bool:
    """Return whether the one `Host` header names this machine (a page of a rebound domain names that domain)."""
    hosts = [value for name, value in _headers(scope) if name == b"host"]
    return len(hosts) == 1 and hosts[0].decode("latin-1").partition(":")[0].lower() in HOSTS


def names_no_domain(scope: Scope) -> bool:
    """Return whether `Host` is this machine's or an address, which no page of a rebound domain can send."""
    if has_loopback_host(scope):
        return True
    hosts = [value.decode("latin-1") for name, value in _headers(scope) if name == b"host"]
    try:
        ip_address(_PORT.sub("", hosts[0]).strip("[]") if len(hosts) == 1 else "")
    except ValueError:
        return False
    return True


class TrustedProxies:
    """The networks whose members count as near."""

    def __init__(self, *, compose: bool) -> None:
        self._networks = LOOPBACK + (own_networks() if compose else ())
        self._is_member = lru_cache(maxsize=1024)(self._look_up)

    def is_local(self, scope: Scope) -> bool:
        """Return whether the request comes from this machine itself: its address, its Host and no sign of a proxy."""
        client = scope.get("client")
        return (
            client is not None and self._is_member(client[0]) and has_loopback_host(scope) and not is_forwarded(scope)
        )

    def address(self, scope: Scope) -> str:
        """Return who calls: the address a near proxy or tunnel names, else the peer's; of IPv6 the network (/64)."""
        client = scope.get("client")
        peer = client[0] if client is not None else ""
        if self._is_member(peer):
            named = {name: value.decode("latin-1") for name, value in _headers(scope) if name in _NAMED_BY_PROXIES}
            peer = named.get(b"cf-connecting-ip") or named.get(b"x-forwarded-for", peer).rpartition(",")[2].strip()
        try:
            address = ip_address(peer)
        except ValueError:
            return ""
        return str(address if address.version == 4 else ip_network(f"{address}/64", strict=False))

    def _look_up(self, host: str) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(host)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


class LocalOnlyMiddleware:
    """Keep the API's pages to this machine, and the metrics from proxies and tunnels: elsewhere they do not exist."""

    def __init__(self, app: ASGIApp, peers: TrustedProxies) -> None:
        self.app = app
        self.peers = peers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and _is_page(scope["path"]) and self._is_hidden(scope):
            await Problem(404, "not_found", "Not Found.").response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_hidden(self, scope: Scope) -> bool:
        if scope["path"] != "/metrics":  # which a scraper reads that may be elsewhere in the cluster
            return not self.peers.is_local(scope)
        return is_forwarded(scope) or not names_no_domain(scope)


def _is_page(path: str) -> bool:
    return path in _NEVER_FORWARDED or path.startswith("/docs/")


def _headers(scope: Scope) -> Iterable[tuple[bytes, bytes]]:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return headers
