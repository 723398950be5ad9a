"""Where a trace is looked at in Grafana."""

import json
from urllib.parse import quote, urlsplit


def grafana_link(grafana: str, trace_id: str) -> str:
    """Return the address of a trace in Grafana's Explore."""
    cloud = (urlsplit(grafana).hostname or "").endswith(".grafana.net")
    source = "grafanacloud-traces" if cloud else "tempo"
    query = {"refId": "A", "datasource": {"type": "tempo", "uid": source}, "queryType": "traceql", "query": trace_id}
    pane = {"datasource": source, "queries": [query], "range": {"from": "now-6h", "to": "now"}}
    panes = quote(json.dumps({"trace": pane}, separators=(",", ":")))
    return f"{grafana.rstrip('/')}/explore?schemaVersion=1&panes={panes}"
