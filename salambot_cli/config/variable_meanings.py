"""The meaning of each variable of an environment: the text of `env list --all`, and of the reference."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a variable, an example, and the value that holds where nothing sets it."""

    text: str
    example: str = ""
    default: str = ""


_ONNX = "a sentence model in ONNX, with EMBEDDER=onnx"

MEANINGS: Mapping[str, Meaning] = {
    "ALLOW_DEV_TOKEN": Meaning("true: the bearer `dev-token` opens the API, from this machine only", "false", "true"),
    "AUDIT_RETENTION_DAYS": Meaning("days that audit records are kept", "730", "400"),
    "AWS_ACCESS_KEY_ID": Meaning("a static AWS key; a profile is safer", "AKIA…"),
    "AWS_CA_BUNDLE": Meaning("certificates that AWS endpoints are verified with, behind a proxy", "/etc/ssl/proxy.pem"),
    "AWS_PROFILE": Meaning("the profile of ~/.aws/config that gives the credentials", "shop-dev"),
    "AWS_REGION": Meaning("the region of the bucket and of Secrets Manager", "eu-west-1"),
    "AWS_SECRET_ACCESS_KEY": Meaning("the secret half of AWS_ACCESS_KEY_ID"),
    "AWS_SESSION_TOKEN": Meaning("the token of temporary AWS credentials"),
    "CONSOLE_TRACE_URL": Meaning(
        "the page that shows a trace; {trace_id} is replaced", "https://shop.grafana.net/explore?trace={trace_id}"
    ),
    "CONVERSATION_RETENTION_DAYS": Meaning("days that conversations are kept", "90", "30"),
    "DATABASE_URL_ADMIN": Meaning(
        "a login that may create roles, for `secrets rotate postgres` alone", "postgres://admin:…@host:5432/postgres"
    ),
    "EMBEDDER": Meaning("what turns texts into vectors: local, e5, openai or onnx", "e5", "local"),
    "ENV": Meaning("the kind of environment: local, or cloud-local where a part stands in the cloud", "cloud-local"),
    "GENERATE_TIMEOUT_S": Meaning("seconds that a reply may take", "120", "60"),
    "GRAFANA_TOKEN": Meaning("a service account's token, for `dashboards push`", "glsa_…"),
    "GRAPH_BASE_URL": Meaning("where Messenger and WhatsApp messages are sent", "https://graph.facebook.com"),
    "GRAPH_VERSION": Meaning("the version of Meta's Graph API", "v23.0"),
    "INTERNAL_TOKEN": Meaning("what the services of one environment show one another; generated"),
    "JWT_AUDIENCE": Meaning("the audience that a token of the API must have", "gateway"),
    "JWT_ISSUER": Meaning("the issuer that a token of the API must have", "https://id.example.com"),
    "JWT_JWKS": Meaning("the issuer's public keys: a URL, or a file", "https://id.example.com/.well-known/jwks.json"),
    "LLM_FALLBACK": Meaning("when the language model fails: none (an error) or local (an extract)", "local", "none"),
    "LOG_LEVEL": Meaning("how much the services log: DEBUG, INFO, WARNING or ERROR", "DEBUG", "INFO"),
    "META_APP_SECRET": Meaning("the secret of the Meta app: it verifies what Messenger and WhatsApp send"),
    "META_PAGE_TOKEN": Meaning("the page's token: it sends Messenger replies", "EAAG…"),
    "META_VERIFY_TOKEN": Meaning("the word that Meta repeats when you register the webhook; you choose it"),
    "NGROK_AUTHTOKEN": Meaning("the token of your ngrok account", "2abc…"),
    "ONNX_EMBEDDING_MODEL": Meaning(f"the folder of {_ONNX}", "models/e5-small"),
    "ONNX_EMBEDDING_PREFIX": Meaning("what the ONNX model wants before each passage", "passage: "),
    "ONNX_EMBEDDING_QUESTION_PREFIX": Meaning("what the ONNX model wants before each question", "query: "),
    "ONNX_EMBEDDING_TOKENS": Meaning("the longest text that the ONNX model reads, in tokens", "256", "512"),
    "OPENAI_API_KEY": Meaning("the key of the language model's server", "sk-…"),
    "OPENAI_BASE_URL": Meaning("another server with OpenAI's API", "http://localhost:11434/v1"),
    "OPENAI_EMBEDDING_API_KEY": Meaning("the key of the server of embeddings, where it is another one", "sk-…"),
    "OPENAI_EMBEDDING_BASE_URL": Meaning(
        "the server of embeddings, where it is another one", "http://localhost:11434/v1"
    ),
    "OPENAI_EMBEDDING_DIMENSIONS": Meaning("the length of the vectors, at most 4000", "1536", "1024"),
    "OPENAI_EMBEDDING_MODEL": Meaning("the model of embeddings", "text-embedding-3-large", "text-embedding-3-small"),
    "OPENAI_EMBEDDING_PRICE": Meaning("US dollars for a million tokens; 0: `seed` never asks", "0.02"),
    "OPENAI_MODEL": Meaning("the language model that writes the replies", "gpt-4.1", "gpt-4.1-mini"),
    "OTEL_BSP_SCHEDULE_DELAY": Meaning("milliseconds between two exports of spans", "5000"),
    "OTEL_EXPORTER_OTLP_COMPRESSION": Meaning("how telemetry is compressed: gzip or none", "gzip"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": Meaning(
        "where traces, metrics and logs are sent", "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp"
    ),
    "OTEL_EXPORTER_OTLP_HEADERS": Meaning("the login of the telemetry endpoint", "Authorization=Basic …"),
    "OTEL_EXPORTER_OTLP_PROTOCOL": Meaning("how telemetry is sent: http/protobuf or grpc", "grpc"),
    "OTEL_EXPORTER_OTLP_TIMEOUT": Meaning("seconds that one export may take", "10"),
    "OTEL_METRIC_EXPORT_INTERVAL": Meaning("milliseconds between two exports of metrics", "60000"),
    "OTEL_RESOURCE_ATTRIBUTES": Meaning("labels of all telemetry", "team=shop,region=casablanca"),
    "OTEL_SERVICE_NAME": Meaning("the name of this environment in telemetry", "salambot-staging"),
    "OTEL_TRACES_SAMPLER": Meaning("which requests are traced", "parentbased_traceidratio"),
    "OTEL_TRACES_SAMPLER_ARG": Meaning("the share of requests that is traced, 0 to 1", "0.1"),
    "PINECONE_API_KEY": Meaning("the key of the Pinecone project", "pcsk_…"),
    "PINECONE_CONTROLLER_HOST": Meaning("another control plane than Pinecone's own", "https://api.pinecone.io"),
    "PINECONE_INDEX": Meaning("the Pinecone index; it is created when it is missing", "salambot-kb"),
    "POSTGRES_URL": Meaning(
        "the cloud database",
        "postgres://salambot:…@db.example.eu-west-1.rds.amazonaws.com:5432/salambot?sslmode=verify-full",
    ),
    "PUBLIC_BASE_URL": Meaning("the public address of the webhooks, where it is fixed", "https://bot.example.com"),
    "QDRANT_API_KEY": Meaning("the key of the Qdrant cluster"),
    "QDRANT_COLLECTION": Meaning("what the name of the Qdrant collection begins with", "shop", "salambot"),
    "QDRANT_URL": Meaning("the Qdrant cluster", "https://abc.eu-central.aws.cloud.qdrant.io:6333"),
    "RATE_LIMIT_CLIENT": Meaning("replies for one client of a tenant", "30/minute", "60/minute"),
    "RATE_LIMIT_GENERATE": Meaning("replies for one tenant", "120/minute", "60/minute"),
    "RATE_LIMIT_WEBHOOK": Meaning("refused webhooks from one address before it must wait", "60/minute", "600/minute"),
    "REDIS_URL": Meaning("the cloud Redis", "rediss://:…@cache.example.euw1.cache.amazonaws.com:6379/0"),
    "REQUESTS_AT_ONCE": Meaning("replies and searches at once in one gateway; the next is refused", "256", "128"),
    "S3_BUCKET": Meaning("the bucket of the documents", "salambot-kb"),
    "SEARCH_CACHE_S": Meaning("seconds that a search result is kept; 0 keeps none", "0", "300"),
    "SEARCH_FLOOR": Meaning("the least probability, 0 to 1, that a passage needs to be an answer", "0.5"),
    "SEARCH_TIMEOUT_S": Meaning("seconds that a search may take", "5", "10"),
    "SEND_TIMEOUT_S": Meaning("seconds that one message to a channel may take", "20", "10"),
    "SSE_PING_S": Meaning("seconds between two signs of life of a streamed reply", "5", "15"),
    "TELEGRAM_BASE_URL": Meaning("another server with Telegram's bot API", "https://api.telegram.org"),
    "TELEGRAM_BOT_TOKEN": Meaning("the bot's token, from @BotFather: it sends replies", "123456:ABC…"),
    "TELEGRAM_WEBHOOK_SECRET": Meaning("the word that Telegram sends with each update; you choose it"),
    "TENANT": Meaning("the tenant; above `tenant` in salambot.toml", "demo"),
    "TUNNEL_TOKEN": Meaning("the token of a named Cloudflare tunnel", "eyJ…"),
    "USER_HASH_KEY": Meaning("the key of the hashes that stand for users, and of the audit trail's seals; generated"),
    "WEBHOOK_KEEP_BODIES": Meaning("true: whole messages are kept for 24 hours, encrypted", "true", "false"),
    "WEBHOOK_MAX_AGE_S": Meaning("seconds after which a signed event is refused as too old", "300"),
    "WEBHOOK_SECRET": Meaning("the key that signs generic webhooks; generated"),
    "WHATSAPP_TOKEN": Meaning("the token of the WhatsApp Business account: it sends replies", "EAAG…"),
    "WORKER_CONCURRENCY": Meaning("conversations that one worker answers at once", "32", "16"),
}
