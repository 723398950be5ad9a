"""Request rate and latency of the last minutes, from the gateway's own metrics. A sample is taken on each view."""

import time
from collections import deque
from html import escape
from itertools import pairwise

from salambot.console.language import Say
from salambot.core.metrics import DURATION

_MAX_SAMPLES = 150
_WIDTH, _HEIGHT, _BASE = 420, 120, 100
Series = list[tuple[float, float]]


class Samples:
    """Totals of the API's requests over time: (when, how many, seconds they took)."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, float, float]] = deque(maxlen=_MAX_SAMPLES)

    def record(self) -> None:
        """Take one sample, unless the last is less than a second old."""
        now = time.monotonic()
        if not self._taken or now - self._taken[-1][0] >= 1:
            self._taken.append((now, *_totals()))

    def series(self) -> tuple[Series, Series]:
        """Return requests a second, and the mean latency in ms, by seconds before now."""
        rates: Series = []
        latencies: Series = []
        now = self._taken[-1][0] if self._taken else 0.0
        samples = [*self._taken]
        for (at, count, seconds), (later, more, longer) in pairwise(samples):
            rates.append((later - now, (more - count) / (later - at)))
            if more > count:
                latencies.append((later - now, (longer - seconds) / (more - count) * 1000))
        return rates, latencies


def _totals() -> tuple[float, float]:
    count = seconds = 0.0
    for metric in DURATION.collect():
        for sample in metric.samples:
            if sample.labels.get("service") == "gateway" and sample.labels.get("route", "").startswith("/v1/"):
                count += sample.value if sample.name.endswith("_count") else 0
                seconds += sample.value if sample.name.endswith("_sum") else 0
    return count, seconds


def charts(samples: Samples, say: Say) -> str:
    """Return both charts."""
    samples.record()
    rates, latencies = samples.series()
    span = max([30.0, *(-at for at, _ in rates)])
    return _chart(say("Requests a second"), rates, "", span, say) + _chart(
        say("Mean latency"), latencies, " ms", span, say
    )


def _chart(title: str, series: Series, unit: str, span: float, say: Say) -> str:
    top = max([value for _, value in series], default=0.0) or 1.0
    places = [(_WIDTH * (1 + at / span), _BASE - (_BASE - 12) * value / top) for at, value in series]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    last = f"{series[-1][1]:.1f}{unit}" if series else say("nothing yet")
    label = escape(f"{title}{say(': ')}{last}")
    line = f'<polyline points="{points}"/>' if len(series) > 1 else ""
    line += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places[-1:])
    axis = f'<path d="M0 {_BASE}H{_WIDTH}" class="axis"/><text x="4" y="10">{top:.1f}{unit}</text>'
    axis += f'<text x="4" y="{_HEIGHT - 4}">−{span:.0f} s</text>'
    picture = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{axis}{line}</svg>'
    return f'<figure class="chart"><figcaption>{escape(title)} <b>{escape(last)}</b></figcaption>{picture}</figure>'
