"""The components: one file describes each placement, and every table of the command is made from these."""

from collections.abc import Iterator, Mapping

from salambot_cli.components import (
    aws_secrets,
    cloudflared,
    local,
    ngrok,
    openai,
    otlp,
    pinecone,
    postgres,
    program,
    qdrant,
    redis,
    s3,
)
from salambot_cli.components.description import Placement, VariableGroup, VariableSpec
from salambot_cli.model.environment import Environment
from salambot_cli.model.topology import COMPONENTS, Component

REGISTRY: tuple[Placement, ...] = (
    postgres.LOCAL,
    postgres.CLOUD,
    redis.LOCAL,
    redis.CLOUD,
    local.PGVECTOR,
    pinecone.PINECONE,
    qdrant.QDRANT,
    local.FOLDER,
    s3.S3,
    local.DOTENV,
    aws_secrets.AWS_SECRETS,
    local.NO_TELEMETRY,
    otlp.OTLP,
    local.REDIS_TELEMETRY,
    local.EXTRACTS,
    openai.OPENAI,
    local.NO_TUNNEL,
    cloudflared.CLOUDFLARED,
    ngrok.NGROK,
)
"""Every placement; the first of a component is the local one."""

GROUPS: tuple[VariableGroup, ...] = (
    *program.GROUPS,
    *(VariableGroup(placement.variables, placement.is_used_in) for placement in REGISTRY),
    openai.EMBEDDINGS,
)

PLACEMENTS: Mapping[Component, tuple[str, ...]] = {
    component: tuple(placement.name for placement in REGISTRY if placement.component == component)
    for component in COMPONENTS
}


def used(environment: Environment) -> Iterator[Placement]:
    """Yield the placements that an environment has, in the order of the components."""
    return (placement for placement in REGISTRY if placement.is_used_in(environment))


def used_variables(environment: Environment) -> Iterator[tuple[Placement, VariableSpec]]:
    """Yield each variable of the placements that an environment has."""
    return ((placement, variable) for placement in used(environment) for variable in placement.variables)
