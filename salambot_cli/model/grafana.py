"""Where Grafana is, and where a trace is looked at in it."""

import json
from urllib.parse import quote, urlsplit


def is_web_address(text: str) -> bool:
    """Return whether a text is a URL of http or https with a host and a possible port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def grafana_link(grafana: str, trace_id: str) -> str:
    """Return the address of a trace in Grafana's Explore."""
    cloud = (urlsplit(grafana).hostname or "").endswith(".grafana.net")
    source = "grafanacloud-traces" if cloud else "tempo"
    query = {"refId": "A", "datasource": {"type": "tempo", "uid": source}, "queryType": "traceql", "query": trace_id}
    pane = {"datasource": source, "queries": [query], "range": {"from": "now-6h", "to": "now"}}
    panes = quote(json.dumps({"trace": pane}, separators=(",", ":")))
    return f"{grafana.rstrip('/')}/explore?schemaVersion=1&panes={panes}"
