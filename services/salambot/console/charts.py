"""Request rate and latency of the last minutes, from the gateway's own metrics. A sample is taken on each view."""

import time
from collections import deque
from html import escape
from itertools import groupby, pairwise

from salambot.console.language import Say
from salambot.core.metrics import DURATION

_MAX_SAMPLES = 150
_WIDTH, _HEIGHT, _BASE = 420, 120, 100
_GAP_SECONDS = 10
"""Samples further apart than this have nothing to say about the time between them: nobody looked."""
Series = list[tuple[float, float | None]]
"""Seconds before now -> the value, or None where there is none."""


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
            seen = later - at <= _GAP_SECONDS
            rates.append((later - now, (more - count) / (later - at) if seen else None))
            latencies.append(
                (later - now, (longer - seconds) / (more - count) * 1000 if seen and more > count else None)
            )
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
    return draw_chart(say("Requests a second"), rates, "", span, say) + draw_chart(
        say("Mean latency"), latencies, " ms", span, say
    )


def draw_chart(title: str, series: Series, unit: str, span: float, say: Say) -> str:
    """Draw one chart; a time without data is a gap."""
    values = [value for _, value in series if value is not None]
    top = max(values, default=0.0) or 1.0
    last = f"{values[-1]:.1f}{unit}" if values else say("nothing yet")
    label = escape(f"{title}{say(': ')}{last}")
    runs = [
        [(_WIDTH * (1 + at / span), _BASE - (_BASE - 12) * (value or 0.0) / top) for at, value in run]
        for is_gap, run in groupby(series, key=lambda one: one[1] is None)
        if not is_gap
    ]
    line = "".join(_line(run) for run in runs)
    line += "".join(_dot(*run[-1]) for run in runs[-1:])
    axis = f'<path d="M0 {_BASE}H{_WIDTH}" class="axis"/><text x="4" y="10">{top:.1f}{unit}</text>'
    axis += f'<text x="4" y="{_HEIGHT - 4}">−{span:.0f} s</text>'
    picture = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{axis}{line}</svg>'
    return f'<figure class="chart"><figcaption>{escape(title)} <b>{escape(last)}</b></figcaption>{picture}</figure>'


def _line(run: list[tuple[float, float]]) -> str:
    """Draw values without a gap between them; a lone one is a dot."""
    if len(run) == 1:
        return _dot(*run[0])
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in run)}"/>'


def _dot(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
