"""The variables of an environment: their names, which are secret, which placement needs which."""

from collections.abc import Mapping

from salambot_cli.model.topology import Component

SECRET_VARIABLES = frozenset(
    {
        "POSTGRES_URL",
        "DATABASE_URL_ADMIN",
        "REDIS_URL",
        "PINECONE_API_KEY",
        "QDRANT_API_KEY",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OPENAI_API_KEY",
        "OPENAI_EMBEDDING_API_KEY",
        "META_APP_SECRET",
        "META_VERIFY_TOKEN",
        "META_PAGE_TOKEN",
        "WHATSAPP_TOKEN",
        "WEBHOOK_SECRET",
        "TELEGRAM_WEBHOOK_SECRET",
        "TELEGRAM_BOT_TOKEN",
        "INTERNAL_TOKEN",
        "USER_HASH_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "NGROK_AUTHTOKEN",
        "GRAFANA_TOKEN",
        "TUNNEL_TOKEN",
    }
)

PLAIN_VARIABLES = frozenset(
    {
        "TENANT",
        "ENV",
        "PINECONE_INDEX",
        "QDRANT_URL",
        "AWS_REGION",
        "S3_BUCKET",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_RESOURCE_ATTRIBUTES",
        "PUBLIC_BASE_URL",
        "OPENAI_BASE_URL",
        "JWT_AUDIENCE",
        "JWT_ISSUER",
        "JWT_JWKS",
        "GRAPH_BASE_URL",
        "GRAPH_VERSION",
        "TELEGRAM_BASE_URL",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_CA_BUNDLE",
        "PINECONE_CONTROLLER_HOST",
        "OPENAI_MODEL",
        "LLM_FALLBACK",
        "OPENAI_EMBEDDING_BASE_URL",
        "OPENAI_EMBEDDING_MODEL",
        "OPENAI_EMBEDDING_DIMENSIONS",
        "OPENAI_EMBEDDING_PRICE",
        "ONNX_EMBEDDING_MODEL",
        "ONNX_EMBEDDING_PREFIX",
        "ONNX_EMBEDDING_QUESTION_PREFIX",
        "ONNX_EMBEDDING_TOKENS",
        "SEARCH_FLOOR",
        "SEARCH_CACHE_S",
        "EMBEDDER",
        "RATE_LIMIT_GENERATE",
        "RATE_LIMIT_CLIENT",
        "RATE_LIMIT_WEBHOOK",
        "REQUESTS_AT_ONCE",
        "GENERATE_TIMEOUT_S",
        "SEARCH_TIMEOUT_S",
        "SEND_TIMEOUT_S",
        "SSE_PING_S",
        "QDRANT_COLLECTION",
        "WEBHOOK_MAX_AGE_S",
        "CONVERSATION_RETENTION_DAYS",
        "AUDIT_RETENTION_DAYS",
        "WEBHOOK_KEEP_BODIES",
        "WORKER_CONCURRENCY",
        "LOG_LEVEL",
        "ALLOW_DEV_TOKEN",
        "CONSOLE_TRACE_URL",
    }
)
"""Beside these, every variable that starts with AWS_ENDPOINT_URL is known (the SDK has one a service)."""

DEFAULTS: Mapping[str, str] = {
    "JWT_AUDIENCE": "gateway",
    "JWT_ISSUER": "local-idp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_SERVICE_NAME": "salambot-local",
    "GRAPH_BASE_URL": "https://graph.facebook.com",
    "GRAPH_VERSION": "v23.0",
}

REQUIRED: Mapping[tuple[Component, str], tuple[str, ...]] = {
    ("postgres", "cloud"): ("POSTGRES_URL",),
    ("redis", "cloud"): ("REDIS_URL",),
    ("vector", "pinecone"): ("PINECONE_API_KEY", "PINECONE_INDEX"),
    ("vector", "qdrant"): ("QDRANT_URL",),
    ("objects", "s3"): ("AWS_REGION", "S3_BUCKET"),
    ("secrets", "aws"): ("AWS_REGION",),
    ("telemetry", "otlp"): ("OTEL_EXPORTER_OTLP_ENDPOINT",),
    ("llm", "openai"): ("OPENAI_API_KEY",),
}
"""What a placement cannot work without. Optional variables of a placement are in the catalog."""


def is_known(name: str) -> bool:
    """Return whether an environment may set this variable."""
    return name in SECRET_VARIABLES or name in PLAIN_VARIABLES or name.startswith("AWS_ENDPOINT_URL")


def is_secret(name: str) -> bool:
    """Return whether this variable's value has to be masked."""
    return name in SECRET_VARIABLES
