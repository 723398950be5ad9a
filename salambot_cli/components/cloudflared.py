"""cloudflared: a tunnel of Cloudflare's, quick or named."""

from salambot_cli.components.description import Placement, VariableSpec, host_of
from salambot_cli.components.local import PUBLIC_BASE_URL
from salambot_cli.model.prices import Prices, Usage


def _monthly(_: Usage, prices: Prices) -> tuple[str, float]:
    return "cloudflared, a quick tunnel", prices.of("tunnel", "cloudflared")


CLOUDFLARED = Placement(
    "tunnel",
    "cloudflared",
    (
        PUBLIC_BASE_URL,
        VariableSpec("TUNNEL_TOKEN", "the token of a named Cloudflare tunnel", "eyJ…", secret=True),
    ),
    recognized_by="PUBLIC_BASE_URL",
    recognized=lambda url: bool(host_of(url)),
    older_names=("cloudflare",),
    monthly=_monthly,
)
