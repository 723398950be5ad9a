"""The environment as a picture: services and components, local or in the cloud, health, latency on the edges."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from salambot.console.health_snapshot import Snapshot
from salambot.console.language import Say

_WIDTH, _HEIGHT = 190, 64
_COLUMNS = (16, 262, 508, 754)
_ROWS = tuple(16 + 92 * row for row in range(5))
_LOCAL = frozenset({"local", "env", "off", "none"})


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    column: int
    row: int
    role: str
    service: bool = False


@dataclass(frozen=True, slots=True)
class _Edge:
    ends: tuple[str, str]
    path: str
    label: tuple[int, int]


_PARTS = (
    _Part("tunnel", 0, 0, "public webhooks"),
    _Part("gateway", 0, 1, "API, webhooks", service=True),
    _Part("telemetry", 0, 4, "traces, metrics"),
    _Part("secrets", 1, 4, "keys, passwords"),
    _Part("orchestrateur", 1, 1, "coordination", service=True),
    _Part("redis", 1, 3, "cache, queue"),
    _Part("nlu", 2, 0, "language model's wrapper", service=True),
    _Part("rag", 2, 2, "retrieval", service=True),
    _Part("llm", 3, 0, "language model"),
    _Part("vector", 3, 1, "vector index"),
    _Part("postgres", 3, 2, "metadata, messages"),
    _Part("objects", 3, 3, "documents"),
)
_EDGES = (
    _Edge(("tunnel", "gateway"), "M111 80V108", (120, 98)),
    _Edge(("gateway", "orchestrateur"), "M206 140H262", (208, 132)),
    _Edge(("gateway", "rag"), "M140 172V232H508", (330, 226)),
    _Edge(("gateway", "redis"), "M170 172V324H262", (180, 318)),
    _Edge(("gateway", "telemetry"), "M70 172V384", (76, 300)),
    _Edge(("orchestrateur", "nlu"), "M452 132L508 56", (484, 100)),
    _Edge(("orchestrateur", "rag"), "M452 148L508 218", (484, 176)),
    _Edge(("orchestrateur", "postgres"), "M357 172V278H722V248H754", (560, 292)),
    _Edge(("nlu", "llm"), "M698 48H754", (704, 40)),
    _Edge(("rag", "vector"), "M698 218L754 148", (730, 190)),
    _Edge(("rag", "postgres"), "M698 232H754", (704, 226)),
    _Edge(("rag", "objects"), "M698 250L754 316", (700, 296)),
)
_HEADS = ("part", "for", "where", "health", "answers")
_WORDS = ("ok", "degraded", "down", "not asked", "off", "none", "local", "cloud")


def extra_messages() -> tuple[str, ...]:
    """Return the messages that no call of `say` spells out."""
    return (*_HEADS, *_WORDS, *(part.role for part in _PARTS))


def diagram(look: Snapshot, placements: Mapping[str, str], say: Say) -> str:
    """Return the diagram, and the same content as a table for screen readers."""
    label = escape(say("The environment: services and components, and how they are"))
    edges = "".join(_edge(edge, look, placements) for edge in _EDGES)
    edges += "".join(_took(edge, look) for edge in _EDGES)  # last, so that no line strikes a number through
    parts = "".join(_part(part, look, placements, say) for part in _PARTS)
    arrow = '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    arrow += '<path d="M0 0L8 4L0 8z" class="tip"/></marker>'
    picture = f'<svg viewBox="0 0 960 460" role="img" aria-label="{label}"><defs>{arrow}</defs>{edges}{parts}</svg>'
    table = _table(look, placements, say)
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">{picture}</div>{table}'


def _placement(part: _Part, placements: Mapping[str, str]) -> str:
    return "local" if part.service else placements.get(part.name, "local")


def _health(part: _Part, look: Snapshot, placements: Mapping[str, str]) -> str:
    if _placement(part, placements) in {"off", "none"}:
        return "off"
    shared = {"vector": "postgres"} if placements.get("vector", "local") == "local" else {}
    return look.health.get(shared.get(part.name, part.name), "not asked")


def _part(part: _Part, look: Snapshot, placements: Mapping[str, str], say: Say) -> str:
    x, y = _COLUMNS[part.column], _ROWS[part.row]
    placement, health = _placement(part, placements), _health(part, look, placements)
    kind = "service" if part.service else "local" if placement in _LOCAL else "cloud"
    where = say("local") if placement == "local" else escape(placement)
    state = health.replace(" ", "-")
    return (
        f'<g class="part {kind} {state}" data-part="{part.name}" data-health="{state}">'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="10"/>'
        f'<circle cx="{x + 18}" cy="{y + 22}" r="6"/>'
        f'<text x="{x + 32}" y="{y + 27}" class="name">{part.name}</text>'
        f'<text x="{x + 32}" y="{y + 48}" class="note">{where} · {escape(say(health))}</text></g>'
    )


def _edge(edge: _Edge, look: Snapshot, placements: Mapping[str, str]) -> str:
    state = look.health.get(edge.ends[1], "not-asked").replace(" ", "-")
    off = placements.get(edge.ends[0]) in {"off", "none"} or placements.get(edge.ends[1]) in {"off", "none"}
    return f'<path d="{edge.path}" class="edge {"off" if off else state}" marker-end="url(#arrow)"/>'


def _took(edge: _Edge, look: Snapshot) -> str:
    took, (x, y) = look.latency.get(edge.ends), edge.label
    if took is None or look.health.get(edge.ends[1]) == "down":
        return ""
    return f'<text x="{x}" y="{y}" class="took">{took:g} ms</text>'


def _table(look: Snapshot, placements: Mapping[str, str], say: Say) -> str:
    heads = "".join(f'<th scope="col">{escape(say(word))}</th>' for word in _HEADS)
    rows = ""
    for part in _PARTS:
        took = [ms for (_, asked), ms in look.latency.items() if asked == part.name]
        cells = (
            say(part.role),
            say(_placement(part, placements)),
            say(_health(part, look, placements)),
            f"{min(took):g} ms" if took else "",
        )
        rows += (
            f'<tr><th scope="row">{part.name}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        )
    summary = escape(say("The same as a table"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>{summary}</summary>{table}</details>"
