"""Variables by service, for every runtime. A service gets exactly these."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from salambot_cli.model.environment import Environment, Variable
from salambot_cli.model.grafana import grafana_link
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS, Component, Program
from salambot_cli.model.variables import DEFAULTS, is_secret

Condition = Callable[[Environment], bool]


@dataclass(frozen=True, slots=True)
class VariableUse:
    """The services that read a variable, and the environments in which they do."""

    readers: frozenset[Program]
    when: Condition


def _always(_: Environment) -> bool:
    return True


def _placed(component: Component, placement: str) -> Condition:
    return lambda environment: environment.placement(component) == placement


def _development(environment: Environment) -> bool:
    return environment.env_name in {"local", "cloud-local"}


def _embeds_with_openai(environment: Environment) -> bool:
    return environment.value("EMBEDDER") == "openai"


def _embeds_with_onnx(environment: Environment) -> bool:
    return environment.value("EMBEDDER") == "onnx"


def _uses_openai(environment: Environment) -> bool:
    return environment.placement("llm") == "openai"


def _use(*readers: Program, when: Condition = _always) -> VariableUse:
    return VariableUse(frozenset(readers), when)


_INDEXERS: tuple[Program, ...] = ("rag", "orchestrateur")
"""The job seed_kb runs inside orchestrateur and needs rag's variables."""
_PINECONE = _use(*_INDEXERS, when=_placed("vector", "pinecone"))
_QDRANT = _use(*_INDEXERS, when=_placed("vector", "qdrant"))
_OBJECTS = _use(*_INDEXERS, when=_placed("objects", "s3"))
_TELEMETRY = _use(*PROGRAMS, when=_placed("telemetry", "otlp"))

_USES: Mapping[str, tuple[VariableUse, ...]] = {
    "ENV": (_use(*PROGRAMS),),
    "TENANT": (_use(*PROGRAMS),),
    "INTERNAL_TOKEN": (_use(*PROGRAMS),),
    "LOG_LEVEL": (_use(*PROGRAMS),),
    "POSTGRES_URL": (_use("gateway", "orchestrateur", "rag", "worker"),),
    "REDIS_URL": (
        _use("gateway", "orchestrateur", "rag", "worker"),
        _use("nlu", when=_placed("telemetry", "local")),  # where traces, metrics and logs are kept then
    ),
    # the public edge
    "PUBLIC_BASE_URL": (_use("gateway"),),
    "INGRESS_PORT": (_use("gateway"),),
    "JWT_AUDIENCE": (_use("gateway"),),
    "JWT_ISSUER": (_use("gateway"),),
    "JWT_JWKS": (_use("gateway"),),
    "ALLOW_DEV_TOKEN": (_use("gateway", when=_development),),
    "RATE_LIMIT_GENERATE": (_use("gateway"),),
    "RATE_LIMIT_CLIENT": (_use("gateway"),),
    "RATE_LIMIT_WEBHOOK": (_use("gateway"),),
    "REQUESTS_AT_ONCE": (_use("gateway"),),
    "GENERATE_TIMEOUT_S": (_use("gateway", "orchestrateur"),),
    "SEARCH_TIMEOUT_S": (_use("gateway", "orchestrateur"),),
    "SSE_PING_S": (_use("gateway"),),
    "META_APP_SECRET": (_use("gateway"),),
    "META_VERIFY_TOKEN": (_use("gateway"),),
    "WEBHOOK_SECRET": (_use("gateway"),),
    "TELEGRAM_WEBHOOK_SECRET": (_use("gateway"),),
    "WEBHOOK_MAX_AGE_S": (_use("gateway"),),
    "WEBHOOK_KEEP_BODIES": (_use("gateway"),),
    "USER_HASH_KEY": (_use("gateway", "orchestrateur"),),
    "CONVERSATION_RETENTION_DAYS": (_use("orchestrateur"),),
    "AUDIT_RETENTION_DAYS": (_use("orchestrateur"),),
    "CHANNEL_TENANTS": (_use("gateway"),),
    "WIDGET": (_use("gateway"),),
    # replies to channels
    "WORKER_CONCURRENCY": (_use("worker"),),
    "SEND_TIMEOUT_S": (_use("worker"),),
    "META_PAGE_TOKEN": (_use("worker"),),
    "WHATSAPP_TOKEN": (_use("worker"),),
    "GRAPH_BASE_URL": (_use("worker"),),
    "GRAPH_VERSION": (_use("worker"),),
    "TELEGRAM_BOT_TOKEN": (_use("worker"),),
    "TELEGRAM_BASE_URL": (_use("worker"),),
    # the next hops
    "ORCHESTRATEUR_URL": (_use("gateway", "worker"),),
    "RAG_URL": (_use("gateway", "orchestrateur"),),
    "NLU_URL": (_use("orchestrateur"), _use("gateway", when=_development)),
    # the console
    "CONSOLE_PLACEMENTS": (_use("gateway", when=_development),),
    "CONSOLE_TRACE_URL": (_use("gateway", when=_development),),
    # the index and its documents
    "VECTOR": (_use(*_INDEXERS),),
    "EMBEDDER": (_use(*_INDEXERS),),
    "OBJECTS_URL": (_use("orchestrateur"),),
    "PINECONE_API_KEY": (_PINECONE,),
    "PINECONE_INDEX": (_PINECONE,),
    "PINECONE_CONTROLLER_HOST": (_PINECONE,),
    "QDRANT_URL": (_QDRANT,),
    "QDRANT_API_KEY": (_QDRANT,),
    "QDRANT_COLLECTION": (_QDRANT,),
    "AWS_REGION": (_OBJECTS,),
    "S3_BUCKET": (_OBJECTS,),
    "AWS_PROFILE": (_OBJECTS,),
    "AWS_ACCESS_KEY_ID": (_OBJECTS,),
    "AWS_SECRET_ACCESS_KEY": (_OBJECTS,),
    "AWS_SESSION_TOKEN": (_OBJECTS,),
    "AWS_CA_BUNDLE": (_OBJECTS,),
    "AWS_ENDPOINT_URL": (_OBJECTS,),
    "AWS_ENDPOINT_URL_S3": (_OBJECTS,),
    # replies
    "BUSINESSES": (_use("nlu"),),
    # the language model
    "LLM": (_use("nlu", "orchestrateur"),),
    "LLM_FALLBACK": (_use("nlu", when=_uses_openai),),
    "OPENAI_API_KEY": (_use("nlu", when=_uses_openai), _use(*_INDEXERS, when=_embeds_with_openai)),
    "OPENAI_BASE_URL": (_use("nlu", when=_uses_openai), _use(*_INDEXERS, when=_embeds_with_openai)),
    "OPENAI_MODEL": (_use("nlu", when=_uses_openai),),
    "OPENAI_EMBEDDING_API_KEY": (_use(*_INDEXERS, when=_embeds_with_openai),),
    "OPENAI_EMBEDDING_BASE_URL": (_use(*_INDEXERS, when=_embeds_with_openai),),
    "OPENAI_EMBEDDING_MODEL": (_use(*_INDEXERS, when=_embeds_with_openai),),
    "OPENAI_EMBEDDING_DIMENSIONS": (_use(*_INDEXERS, when=_embeds_with_openai),),
    "OPENAI_EMBEDDING_PRICE": (_use(*_INDEXERS, when=_embeds_with_openai),),
    "ONNX_EMBEDDING_MODEL": (_use(*_INDEXERS, when=_embeds_with_onnx),),
    "ONNX_EMBEDDING_PREFIX": (_use(*_INDEXERS, when=_embeds_with_onnx),),
    "ONNX_EMBEDDING_QUESTION_PREFIX": (_use(*_INDEXERS, when=_embeds_with_onnx),),
    "ONNX_EMBEDDING_TOKENS": (_use(*_INDEXERS, when=_embeds_with_onnx),),
    "SEARCH_FLOOR": (_use("rag"),),
    "SEARCH_CACHE_S": (_use("rag"),),
    # telemetry
    "OTEL_EXPORTER_OTLP_ENDPOINT": (_TELEMETRY,),
    "OTEL_EXPORTER_OTLP_PROTOCOL": (_TELEMETRY,),
    "OTEL_EXPORTER_OTLP_HEADERS": (_TELEMETRY,),
    "OTEL_SERVICE_NAME": (_TELEMETRY,),
    "OTEL_TRACES_SAMPLER": (_TELEMETRY,),
    "OTEL_TRACES_SAMPLER_ARG": (_TELEMETRY,),
    "OTEL_METRIC_EXPORT_INTERVAL": (_TELEMETRY,),
    "OTEL_BSP_SCHEDULE_DELAY": (_TELEMETRY,),
    "OTEL_EXPORTER_OTLP_TIMEOUT": (_TELEMETRY,),
    "OTEL_EXPORTER_OTLP_COMPRESSION": (_TELEMETRY,),
    "OTEL_RESOURCE_ATTRIBUTES": (_TELEMETRY,),
    "TELEMETRY": (_use(*PROGRAMS, when=_placed("telemetry", "local")),),
}


def services_reading(environment: Environment, name: str) -> frozenset[Program]:
    """Report which services read a variable in this environment."""
    uses = _USES.get(name, ())
    return frozenset(service for use in uses if use.when(environment) for service in use.readers)


def every_reader(name: str) -> frozenset[Program]:
    """Return the services that read a variable in some environment."""
    return frozenset(service for use in _USES.get(name, ()) for service in use.readers)


def variables_for(
    environment: Environment, service: Program, given: Mapping[str, str] | None = None
) -> dict[str, Variable]:
    """Return what one service gets, by name, in the order of the table.

    `given` is what only a runtime knows (addresses of local parts and next hops, generated passwords); it
    stands above the environment's own values. A variable that nothing sets is absent.
    """
    known = {**_derived(environment), **environment.variables, **_as_variables(given or {})}
    return {name: known[name] for name in _USES if name in known and service in services_reading(environment, name)}


def _derived(environment: Environment) -> dict[str, Variable]:
    values = {
        **DEFAULTS,
        "ENV": environment.env_name,
        "TENANT": environment.tenant,
        "VECTOR": environment.placement("vector"),
        "LLM": environment.placement("llm"),
        "EMBEDDER": "local",
        "TELEMETRY": environment.placement("telemetry"),
        "ALLOW_DEV_TOKEN": "true",
        "CONSOLE_PLACEMENTS": json.dumps(dict(environment.placements)),
    }
    if environment.grafana_url and environment.placement("telemetry") == "otlp":
        values["CONSOLE_TRACE_URL"] = grafana_link(environment.grafana_url, "{trace_id}")
    if environment.placement("llm") == "local":  # replies cost this machine's processors: webhooks come first
        values["WORKER_CONCURRENCY"] = "2"
    if channels := {name: table for name, table in environment.channels.items() if table}:
        values["CHANNEL_TENANTS"] = json.dumps(channels)
    if environment.widget.sites:
        values["WIDGET"] = json.dumps(asdict(environment.widget))
    if environment.businesses:
        values["BUSINESSES"] = json.dumps({name: dict(said) for name, said in environment.businesses.items()})
    if environment.placement("objects") == "s3" and (bucket := environment.value("S3_BUCKET")):
        values["OBJECTS_URL"] = f"s3://{bucket}"
    return {name: Variable(name, value, "default") for name, value in values.items()}


def _as_variables(values: Mapping[str, str]) -> dict[str, Variable]:
    return {
        name: Variable(name, Secret(value) if is_secret(name) else value, "generated") for name, value in values.items()
    }
