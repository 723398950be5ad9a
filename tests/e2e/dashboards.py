"""The shipped dashboards beside a running stack: what they ask for, what it exposes, and the numbers in between."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.prometheus import Prometheus
from tests.stack import Project

NOTHING_TO_SHOW = {
    "Errors by service and route",  # no 5xx here
    "Tokens embedded",  # the local embedder counts none, and costs nothing
    "Embedding cost, last day",
}


Shown = dict[tuple[str, str], dict[str, float]]
"""The numbers of each series, by panel and legend."""


def shown_queries(checkout: Path) -> dict[tuple[str, str], str]:
    """Return the queries of the panels that have something to show, by panel and legend."""
    return {
        (panel["title"], target["legendFormat"]): target["expr"].replace("$__rate_interval", "2m")
        for panel in panels(checkout)
        if panel["title"] not in NOTHING_TO_SHOW
        for target in panel["targets"]
    }


def look_at(shown: Shown) -> None:
    """Check the numbers as far as what was done decides them."""
    assert all(shown.values()), shown
    for panel, legend in shown:
        if legend.startswith("p50"):
            low, middle, high = (shown[panel, legend.replace("p50", quantile)] for quantile in ("p50", "p95", "p99"))
            assert all(low[series] <= middle[series] <= high[series] for series in low), panel
    assert 0 < shown["Share of searches with a hit", "hit rate"]["{}"] < 1
    assert max(shown["Sends that failed and are tried again", "{{channel}} {{reason}}"].values()) > 0
    left = [next(iter(values.values())) for (_, legend), values in shown.items() if legend == "left"]
    assert len(left) == 3
    assert max(left) == 1.0, "no reply failed: the whole budget is left"


def exemplars(found: Prometheus) -> set[str]:
    """Return the traces that the points of a graph lead to."""
    query = {"query": "salambot_ttfb_seconds_bucket", "start": "0", "end": str(time.time() + 60)}
    return {
        each["labels"]["trace_id"] for series in found.get("query_exemplars", **query) for each in series["exemplars"]
    }


def panels(checkout: Path) -> list[dict[str, Any]]:
    """Return every panel of every dashboard."""
    paths = sorted((checkout / "templates/grafana/dashboards").glob("*.json"))
    return [panel for path in paths for panel in json.loads(path.read_text())["panels"]]


def queries(checkout: Path) -> list[str]:
    """Return what the panels and the rules ask for."""
    paths = (checkout / "templates/grafana/rules").glob("*.yaml")
    rules = [line for path in paths for line in path.read_text().splitlines() if "salambot_" in line]
    return [target["expr"] for panel in panels(checkout) for target in panel["targets"]] + rules


def exposed(project: Project) -> dict[str, set[str]]:
    """Return the label names of every sample name that the processes of the stack expose or declare."""
    found: dict[str, set[str]] = {}
    for port in listening(project):
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        for family in text_string_to_metric_families(answer.text):
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
            for suffix in suffixes:
                found.setdefault(f"{family.name}{suffix}", set())
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    declared = {  # families without a sample yet: what nobody sent has no labels to look at
        name: names for name, names in DECLARED.items() if not found.get(name)
    }
    assert set(declared) <= set(found)
    return found | declared


def listening(project: Project) -> list[int]:
    """Return where the services and the worker listen."""
    words = [process.cmdline() for process in project.processes()]
    return [
        int(line[line.index("--port") + 1])
        for line in words
        if "salambot.http.server" in line or "salambot.worker" in line
    ]


DECLARED = {
    "salambot_webhook_refusals_total": {"channel", "cause"},
    "salambot_channel_replies_total": {"channel", "outcome"},
    "salambot_channel_retries_total": {"channel", "reason"},
    "salambot_channel_reply_seconds_bucket": {"channel", "le"},
    "salambot_embedding_tokens_total": {"model"},
    "salambot_embedding_cost_dollars_total": {"model"},
}
