"""Placements on this machine that are no program of their own."""

from salambot_cli.components.description import Placement, VariableSpec
from salambot_cli.model.topology import PROGRAMS

PUBLIC_BASE_URL = VariableSpec(
    "PUBLIC_BASE_URL",
    "the public address of the webhooks, where it is fixed",
    "https://bot.example.com",
    readers=("gateway",),
)

PGVECTOR = Placement("vector", "local", older_names=("pgvector",))
FOLDER = Placement("objects", "local", older_names=("minio",))
DOTENV = Placement("secrets", "env", older_names=("dotenv", "local"))
NO_TELEMETRY = Placement("telemetry", "off", older_names=("none",))
REDIS_TELEMETRY = Placement(
    "telemetry",
    "local",
    (
        VariableSpec("REDIS_URL", readers=("nlu",), secret=True),  # where traces, metrics and logs are kept
        VariableSpec("TELEMETRY", readers=PROGRAMS),
    ),
)
EXTRACTS = Placement("llm", "local", older_names=("extractive",))
NO_TUNNEL = Placement("tunnel", "none", (PUBLIC_BASE_URL,), older_names=("off",))
