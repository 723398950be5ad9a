"""ngrok: a tunnel by its SDK, inside a process of ours."""

from salambot_cli.components.description import Placement, VariableSpec, host_of
from salambot_cli.components.local import PUBLIC_BASE_URL
from salambot_cli.model.prices import Prices, Usage


def _monthly(_: Usage, prices: Prices) -> tuple[str, float]:
    return "ngrok, a domain of its own", prices.of("tunnel", "ngrok")


NGROK = Placement(
    "tunnel",
    "ngrok",
    (PUBLIC_BASE_URL, VariableSpec("NGROK_AUTHTOKEN", "the token of your ngrok account", "2abc…", secret=True)),
    recognized_by="PUBLIC_BASE_URL",
    recognized=lambda url: "ngrok" in host_of(url),
    monthly=_monthly,
)
