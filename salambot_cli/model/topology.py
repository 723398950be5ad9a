"""Components, placements and topologies: the table at the heart of the product."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Component = Literal["postgres", "redis", "vector", "objects", "secrets", "telemetry", "llm", "tunnel"]
Service = Literal["gateway", "orchestrateur", "nlu", "rag"]
Program = Literal["gateway", "orchestrateur", "nlu", "rag", "worker"]
"""Programs of a running stack: the services, and the worker that answers webhooks."""
TopologyName = Literal["local", "t1", "t2", "t3"]

COMPONENTS: tuple[Component, ...] = get_args(Component)
SERVICES: tuple[Service, ...] = get_args(Service)
PROGRAMS: tuple[Program, ...] = get_args(Program)
TOPOLOGIES: tuple[TopologyName, ...] = get_args(TopologyName)

LOCAL: Mapping[Component, str] = {
    **dict.fromkeys(COMPONENTS, "local"),
    "secrets": "env",
    "telemetry": "off",
    "tunnel": "none",
}

PRESETS: Mapping[TopologyName, Mapping[Component, str]] = {
    "local": LOCAL,
    "t1": {
        "postgres": "cloud",
        "redis": "cloud",
        "vector": "pinecone",
        "objects": "s3",
        "telemetry": "otlp",
        "llm": "openai",
        "tunnel": "cloudflared",
    },
    "t2": {"objects": "s3", "telemetry": "otlp", "llm": "openai", "tunnel": "cloudflared"},
    "t3": {"secrets": "aws", "llm": "openai"},
}

DEFAULT_PORTS: Mapping[Service, int] = {"gateway": 8080, "orchestrateur": 8081, "nlu": 8082, "rag": 8083}


def preset(topology: Iterable[TopologyName]) -> dict[Component, str]:
    """Apply presets in order over `local`: a later one overrides only what it names."""
    placements = dict(LOCAL)
    for name in topology:
        placements.update(PRESETS[name])
    return placements
