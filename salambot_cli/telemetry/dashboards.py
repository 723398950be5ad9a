"""The shipped dashboards, put into a Grafana by its HTTP API."""

import json
import re
from typing import TYPE_CHECKING, cast

from salambot_cli.api.gateway import Document
from salambot_cli.host.assets import asset
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.grafana import is_web_address

if TYPE_CHECKING:
    import httpx

_SECONDS = 20.0
_FOLDER_UID = "salambot"
_AGAIN = "salambot dashboards push --url URL"
_THERE = frozenset({409, 412})
"""How Grafana says that a folder exists already."""


async def push_dashboards(environment: Environment, url: str | None, folder: str) -> list[Document]:
    """Create or update the folder and each dashboard; return title and URL of each. Raises SalamBotError."""
    import httpx

    grafana, token = _grafana(environment, url)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(base_url=grafana, headers=headers, timeout=_SECONDS) as client:
            await _post(client, "/api/folders", {"uid": _FOLDER_UID, "title": folder}, fine=_THERE)
            return [await _push(client, grafana, dashboard) for dashboard in shipped()]
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise SalamBotError(f"Grafana at {grafana} does not answer", why, _AGAIN) from error


def shipped() -> list[Document]:
    """Return the dashboards as they are shipped."""
    return [json.loads(path.read_text()) for path in sorted(asset("templates/grafana/dashboards").glob("*.json"))]


def _grafana(environment: Environment, url: str | None) -> tuple[str, str]:
    grafana = (url or environment.grafana_url or "").rstrip("/")
    if not is_web_address(grafana):
        what = f"{grafana} is no address of a Grafana" if grafana else "no Grafana is named"
        raise ConfigurationError(what, "--url, or grafana_url in [telemetry] of salambot.toml", _AGAIN)
    token = environment.value("GRAFANA_TOKEN")
    if token is None:
        raise ConfigurationError(
            "GRAFANA_TOKEN is not set",
            "Grafana takes dashboards from who may edit them: Administration, Service accounts, role Editor",
            f"add GRAFANA_TOKEN=glsa_… to {environment.variables_file}",
        )
    if not re.fullmatch("[!-~]+", token):
        raise ConfigurationError(
            "GRAFANA_TOKEN is no token", "it holds what no header can", "copy it from Grafana again"
        )
    return grafana, token


async def _push(client: "httpx.AsyncClient", grafana: str, dashboard: Document) -> Document:
    wish: Document = {"dashboard": dashboard, "folderUid": _FOLDER_UID, "overwrite": True, "message": "salambot"}
    answer = await _post(client, "/api/dashboards/db", wish)
    return {"uid": dashboard["uid"], "title": dashboard["title"], "url": f"{grafana}{answer.get('url', '')}"}


async def _post(
    client: "httpx.AsyncClient", path: str, body: Document, *, fine: frozenset[int] = frozenset()
) -> Document:
    response = await client.post(path, json=body)
    if response.status_code in fine:
        return {}
    if not response.is_success:
        fix = "check the role of GRAFANA_TOKEN" if response.status_code in {401, 403} else _AGAIN
        why = f"{path} answers {response.status_code}"
        raise SalamBotError(f"Grafana at {client.base_url} refuses", why, fix)
    try:
        return cast("Document", response.json())
    except ValueError as error:
        raise SalamBotError(f"{client.base_url} is no Grafana", f"{path} answers no JSON", "check its URL") from error
