"""The web chat widget of an environment: the script tags of its sites, and what still keeps visitors from it."""

from dataclasses import dataclass
from html import escape

from salambot_cli.host.state_file import read_state, settled_port
from salambot_cli.model.environment import Environment, Site
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.stack.component_health import service_url


@dataclass(frozen=True, slots=True)
class ScriptTag:
    """One site, and the line of HTML for its pages."""

    site: Site
    html: str


def script_tags(environment: Environment, key: str | None = None) -> list[ScriptTag]:
    """Return the tags of all sites, or of one. Raises ConfigurationError where there is none."""
    sites = [site for site in environment.widget.sites if key in {None, site.key}]
    if not sites:
        known = ", ".join(site.key for site in environment.widget.sites)
        raise ConfigurationError(
            f"no site has the key {key}" if known and key else "no site may show the widget yet",
            f"the keys are {known}" if known else "salambot.toml has no [[widget.site]]",
            'add to salambot.toml: [[widget.site]] with key = "shop" and origins = ["https://shop.example"]',
        )
    source = escape(f"{_base(environment)}/widget.js", quote=True)
    return [ScriptTag(site, f'<script src="{source}" data-site="{site.key}" async></script>') for site in sites]


def missing_steps(environment: Environment) -> list[str]:
    """Return what is still to be done before visitors elsewhere can use the widget."""
    state, steps = read_state(environment.root), list[str]()
    if not state.asked_up:
        steps.append("start the stack: salambot up")
    if _public_base(environment) is None:
        steps.append("the tag names this machine: set PUBLIC_BASE_URL, or open a tunnel with `salambot up --tunnel`")
    if not environment.widget.tunnel and (state.public_url or environment.placement("tunnel") != "none"):
        steps.append("a tunnel leads to the webhooks alone: write tunnel = true under [widget] in salambot.toml")
    return steps


def _base(environment: Environment) -> str:
    return _public_base(environment) or service_url(settled_port(environment, "gateway")) or ""


def _public_base(environment: Environment) -> str | None:
    found = read_state(environment.root).public_url or environment.value("PUBLIC_BASE_URL")
    return found.rstrip("/") if found else None
