"""The address that the internet sees: two sources have to agree, each family apart, proxies off."""

import asyncio
import ipaddress

from salambot_cli.host.probe_http import request

SOURCES = ("https://checkip.amazonaws.com", "https://api64.ipify.org")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


async def public_addresses() -> tuple[Address, ...]:
    """Return our public IPv4 and IPv6 addresses; empty where the sources disagree or stay silent."""
    found = await asyncio.gather(_agreed("0.0.0.0"), _agreed("::"))  # noqa: S104 - binds a client's family, listens to nobody
    return tuple(address for address in found if address is not None)


async def _agreed(source: str) -> Address | None:
    answers = await asyncio.gather(*(request("GET", url, proxies=False, seconds=3, source=source) for url in SOURCES))
    addresses = {parse_public(answer.text) for answer in answers if answer.status == 200}
    return addresses.pop() if len(addresses) == 1 and len(answers) > 1 else None


def parse_public(text: str) -> Address | None:
    """Parse an address that is routed on the internet; a page, CGNAT or a private address is None."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return address if address.is_global else None
