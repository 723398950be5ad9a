"""Grafana's dashboards and Prometheus' rules, from what they show: `python tools/dashboards.py` writes them.

`--check` only tells whether the files are as this makes them, and exits 1 where they are not.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

GRAFANA = Path(__file__).resolve().parent.parent / "templates" / "grafana"
JSON = dict[str, object]
REPLIES = 'service="gateway",route="/v1/generate/reply"'
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "24h", "3d")
BURNS = (
    ("page", "14.4", "1h", "5m"),
    ("page", "6", "6h", "30m"),
    ("ticket", "3", "24h", "2h"),
    ("ticket", "1", "3d", "6h"),
)
"""Severity, how many times too fast the budget burns, the long window and the short one."""


@dataclass(frozen=True)
class Slo:
    """An objective: how much of what is counted has to be good, and the query of what is bad in a window."""

    name: str
    objective: float
    says: str
    errors: str


def _slow(metric: str, labels: str, seconds: int) -> str:
    """Return the share of a histogram above a bound; OTLP writes `5` where a scrape writes `5.0`."""
    below = f'sum(rate({metric}_bucket{{{labels},le=~"{seconds}([.]0)?"}}[WINDOW]))'
    return f"1 - {below} / sum(rate({metric}_count{{{labels}}}[WINDOW]))"


SLOS = (
    Slo(
        "availability",
        0.995,
        "99.5 % of the requests for a reply get one, or are told what is wrong with them",
        f'(sum(rate(salambot_http_requests_total{{{REPLIES},status=~"5.."}}[WINDOW])) or vector(0))'
        f" / sum(rate(salambot_http_requests_total{{{REPLIES}}}[WINDOW]))",
    ),
    Slo(
        "e2e",
        0.95,
        "95 % of the replies are complete within 10 seconds",
        _slow("salambot_http_request_duration_seconds", f'{REPLIES},status="200"', 10),
    ),
    Slo(
        "ttfb",
        0.95,
        "95 % of the replies begin within 5 seconds",
        _slow("salambot_ttfb_seconds", REPLIES, 5),
    ),
)


@dataclass(frozen=True)
class Panel:
    """A graph (or one number): queries by their legends, and the unit."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """Return a rate, summed by labels."""
    grouped = f" by ({by})" if by else ""
    return (
        f"sum{grouped} (rate({metric}{{{labels}}}[$__rate_interval]))"
        if labels
        else (f"sum{grouped} (rate({metric}[$__rate_interval]))")
    )


def quantiles(metric: str, by: str = "", labels: str = "") -> dict[str, str]:
    """Return p50, p95 and p99 of a histogram."""
    grouped = f"le,{by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return {
        f"p{round(share * 100)}{legend}": f"histogram_quantile({share}, {rate(f'{metric}_bucket', grouped, labels)})"
        for share in (0.5, 0.95, 0.99)
    }


DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "overview": (
        "SalamBot overview",
        (
            Panel("Requests by service", {"{{service}}": rate("salambot_http_requests_total", "service")}, "reqps"),
            Panel(
                "Errors by service and route",
                {"{{service}} {{route}}": rate("salambot_http_requests_total", "service,route", 'status=~"5.."')},
                "reqps",
            ),
            Panel(
                "Duration by service",
                quantiles("salambot_http_request_duration_seconds", "service"),
                "s",
            ),
            Panel(
                "Requests by route",
                {"{{route}}": rate("salambot_http_requests_total", "route", 'service="gateway"')},
                "reqps",
            ),
            Panel(
                "Duration by route",
                quantiles("salambot_http_request_duration_seconds", "route", 'service="gateway"'),
                "s",
            ),
            Panel(
                "Reply, end to end",
                quantiles("salambot_http_request_duration_seconds", labels=f'{REPLIES},status="200"'),
                "s",
            ),
            Panel("Reply, first byte", quantiles("salambot_ttfb_seconds", labels=REPLIES), "s"),
            Panel(
                "Statuses", {"{{status}}": rate("salambot_http_requests_total", "status", 'service="gateway"')}, "reqps"
            ),
            Panel(
                "Telemetry lost",
                {"{{signal}} {{reason}}": rate("salambot_telemetry_dropped_total", "signal,reason")},
            ),
            Panel("Model, question to whole reply", quantiles("salambot_llm_duration_seconds", "provider"), "s"),
        ),
    ),
    "rag": (
        "SalamBot retrieval and generation",
        (
            Panel(
                "Share of searches with a hit",
                {
                    "hit rate": f"1 - {rate('salambot_retrieval_empty_total')} / ("
                    f"{rate('salambot_retrieval_empty_total')} + {rate('salambot_retrieval_relevance_count')})"
                },
                "percentunit",
            ),
            Panel("Relevance of the best passage", quantiles("salambot_retrieval_relevance"), "percentunit"),
            Panel("Empty answers", {"empty": rate("salambot_retrieval_empty_total")}, "reqps"),
            Panel("Searching, by source", quantiles("salambot_retrieval_duration_seconds", "source"), "s"),
            Panel(
                "Answers from memory",
                {"{{source}}": rate("salambot_retrieval_duration_seconds_count", "source")},
                "reqps",
            ),
            Panel("Passages found", {"passages": rate("salambot_retrieval_hits_total")}),
            Panel("Replies by language", {"{{language}}": rate("salambot_replies_total", "language")}, "reqps"),
            Panel(
                "Tokens of the model",
                {"{{provider}} {{direction}}": rate("salambot_llm_tokens_total", "provider,direction")},
            ),
            Panel("Tokens embedded", {"{{model}}": rate("salambot_embedding_tokens_total", "model")}),
            Panel(
                "Embedding cost, last day",
                {"{{model}}": "sum by (model) (increase(salambot_embedding_cost_dollars_total[24h]))"},
                "currencyUSD",
                "stat",
            ),
        ),
    ),
    "channels": (
        "SalamBot channels",
        (
            Panel(
                "Webhooks by verdict",
                {"{{channel}} {{verdict}}": rate("salambot_webhooks_total", "channel,verdict")},
                "reqps",
            ),
            Panel(
                "Duplicates, rejected, stale",
                {"{{verdict}}": rate("salambot_webhooks_total", "verdict", 'verdict=~"duplicate|rejected|stale"')},
                "reqps",
            ),
            Panel(
                "Signatures refused",
                {"{{channel}} {{cause}}": rate("salambot_webhook_refusals_total", "channel,cause")},
                "reqps",
            ),
            Panel("Age of the queue", {"oldest": "max(salambot_inbox_oldest_seconds)"}, "s"),
            Panel(
                "Waiting",
                {"messages": "max(salambot_inbox_pending)", "conversations queued": "max(salambot_queue_depth)"},
            ),
            Panel(
                "Replies by outcome",
                {"{{channel}} {{outcome}}": rate("salambot_channel_replies_total", "channel,outcome")},
                "reqps",
            ),
            Panel(
                "Sends that failed and are tried again",
                {"{{channel}} {{reason}}": rate("salambot_channel_retries_total", "channel,reason")},
                "reqps",
            ),
            Panel("From message to reply", quantiles("salambot_channel_reply_seconds", "channel"), "s"),
        ),
    ),
    "slo": (
        "SalamBot objectives",
        tuple(
            panel
            for slo in SLOS
            for panel in (
                Panel(
                    f"{slo.name}: budget left of 3 days ({slo.says})",
                    {
                        "left": f'1 - slo:error_ratio:rate3d{{slo="{slo.name}"}}'
                        f' / on (slo) slo:error_budget:ratio{{slo="{slo.name}"}}'
                    },
                    "percentunit",
                    "stat",
                    6,
                ),
                Panel(
                    f"{slo.name}: burn rate",
                    {
                        window: f'slo:error_ratio:rate{window}{{slo="{slo.name}"}}'
                        f' / on (slo) slo:error_budget:ratio{{slo="{slo.name}"}}'
                        for window in ("5m", "1h", "6h", "24h")
                    },
                    "short",
                    "timeseries",
                    18,
                ),
            )
        ),
    ),
}


def dashboard(name: str) -> JSON:
    """Return one dashboard as Grafana imports it."""
    title, panels = DASHBOARDS[name]
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "uid": f"salambot-{name}",
        "title": title,
        "tags": ["salambot"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [*_placed(panels, source)],
    }


def _placed(panels: tuple[Panel, ...], source: JSON) -> Iterator[JSON]:
    x = y = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > 24:
            x, y = 0, y + 8
        yield {
            "id": number,
            "title": panel.title,
            "type": panel.kind,
            "datasource": source,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": 8},
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": None}, "overrides": []},
            "targets": [
                {
                    "refId": chr(ord("A") + at),
                    "datasource": source,
                    "expr": query,
                    "legendFormat": legend,
                    "exemplar": "histogram_quantile" in query,
                }
                for at, (legend, query) in enumerate(panel.queries.items())
            ],
        }
        x += panel.width


def recording_rules() -> JSON:
    """Return what is computed every half minute: the share of bad events by window, and the budgets."""
    budgets = [
        {"record": "slo:error_budget:ratio", "labels": {"slo": slo.name}, "expr": f"vector({1 - slo.objective:.3g})"}
        for slo in SLOS
    ]
    ratios = [
        {
            "record": f"slo:error_ratio:rate{window}",
            "labels": {"slo": slo.name},
            "expr": slo.errors.replace("WINDOW", window),
        }
        for slo in SLOS
        for window in WINDOWS
    ]
    return {"groups": [{"name": "salambot-slo", "interval": "30s", "rules": [*budgets, *ratios]}]}


def alert_rules() -> JSON:
    """Return the alerts: each objective's budget burning too fast, over a long window and still over a short one."""
    rules = [
        {
            "alert": f"SalamBotBudgetBurn{factor.replace('.', '_')}x",
            "expr": f"slo:error_ratio:rate{long} > on (slo) ({factor} * slo:error_budget:ratio)"
            f" and on (slo) slo:error_ratio:rate{short} > on (slo) ({factor} * slo:error_budget:ratio)",
            "labels": {"severity": severity, "long": long, "short": short},
            "annotations": {
                "summary": f"The error budget of {{{{ $labels.slo }}}} burns more than {factor} times too fast",
                "description": f"{{{{ $value | humanizePercentage }}}} bad over {long}, and still over {short}.",
            },
        }
        for severity, factor, long, short in BURNS
    ]
    return {"groups": [{"name": "salambot-slo-alerts", "interval": "30s", "rules": rules}]}


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file with its text."""
    for name in DASHBOARDS:
        yield GRAFANA / "dashboards" / f"{name}.json", json.dumps(dashboard(name), indent=1) + "\n"
    for name, rules in (("recording", recording_rules()), ("alerts", alert_rules())):
        text = yaml.safe_dump(rules, sort_keys=False, width=1000)
        yield GRAFANA / "rules" / f"{name}.yaml", f"# Made by tools/dashboards.py.\n{text}"


def main() -> int:
    """Write the files, or compare them."""
    stale = [path for path, text in files() if not path.is_file() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(GRAFANA)} is not as tools/dashboards.py makes it")
        return 1 if stale else 0
    for path, text in files():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
