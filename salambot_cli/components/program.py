"""Variables of the programs themselves, whatever the placements are: the API, the channels, search, the console."""

from salambot_cli.components.description import INDEXERS, VariableGroup, VariableSpec
from salambot_cli.model.environment import Environment
from salambot_cli.model.topology import PROGRAMS, Program

_ONNX = "a sentence model in ONNX, with EMBEDDER=onnx"


def _gateway(
    name: str, meaning: str = "", example: str = "", default: str = "", *, given: str = "", secret: bool = False
) -> VariableSpec:
    return VariableSpec(name, meaning, example, default, given, ("gateway",), secret)


def _worker(
    name: str, meaning: str, example: str = "", default: str = "", *, given: str = "", secret: bool = False
) -> VariableSpec:
    return VariableSpec(name, meaning, example, default, given, ("worker",), secret)


def _of(*readers: Program, name: str, meaning: str = "", example: str = "", default: str = "") -> VariableSpec:
    return VariableSpec(name, meaning, example, default, readers=readers)


def _is_development(environment: Environment) -> bool:
    return environment.env_name in {"local", "cloud-local"}


EVERY_PROGRAM = VariableGroup(
    (
        _of(
            *PROGRAMS,
            name="ENV",
            meaning="the kind of environment: local, or cloud-local where a part stands in the cloud",
            example="cloud-local",
        ),
        _of(*PROGRAMS, name="TENANT", meaning="the tenant; above `tenant` in salambot.toml", example="demo"),
        VariableSpec(
            "INTERNAL_TOKEN",
            "what the services of one environment show one another; generated",
            readers=PROGRAMS,
            secret=True,
        ),
        _of(
            *PROGRAMS,
            name="LOG_LEVEL",
            meaning="how much the services log: DEBUG, INFO, WARNING or ERROR",
            example="DEBUG",
            default="INFO",
        ),
    )
)
PUBLIC_EDGE = VariableGroup(
    (
        _gateway("INGRESS_PORT"),
        _gateway("JWT_AUDIENCE", "the audience that a token of the API must have", "gateway", given="gateway"),
        _gateway(
            "JWT_ISSUER",
            "the issuer that a token of the API must have",
            "https://id.example.com",
            given="local-idp",
        ),
        _gateway(
            "JWT_JWKS", "the issuer's public keys: a URL, or a file", "https://id.example.com/.well-known/jwks.json"
        ),
        _gateway("RATE_LIMIT_GENERATE", "replies for one tenant", "120/minute", "60/minute"),
        _gateway("RATE_LIMIT_CLIENT", "replies for one client of a tenant", "30/minute", "60/minute"),
        _gateway(
            "RATE_LIMIT_WEBHOOK",
            "refused webhooks from one address before it must wait",
            "60/minute",
            "600/minute",
        ),
        _gateway("REQUESTS_AT_ONCE", "replies and searches at once in one gateway; the next is refused", "256", "128"),
        _of(
            "gateway",
            "orchestrateur",
            name="GENERATE_TIMEOUT_S",
            meaning="seconds that a reply may take",
            example="120",
            default="60",
        ),
        _of(
            "gateway",
            "orchestrateur",
            name="SEARCH_TIMEOUT_S",
            meaning="seconds that a search may take",
            example="5",
            default="10",
        ),
        _gateway("SSE_PING_S", "seconds between two signs of life of a streamed reply", "5", "15"),
        _gateway(
            "META_APP_SECRET",
            "the secret of the Meta app: it verifies what Messenger and WhatsApp send",
            secret=True,
        ),
        _gateway(
            "META_VERIFY_TOKEN",
            "the word that Meta repeats when you register the webhook; you choose it",
            secret=True,
        ),
        _gateway("WEBHOOK_SECRET", "the key that signs generic webhooks; generated", secret=True),
        _gateway(
            "TELEGRAM_WEBHOOK_SECRET",
            "the word that Telegram sends with each update; you choose it",
            secret=True,
        ),
        _gateway("WEBHOOK_MAX_AGE_S", "seconds after which a signed event is refused as too old", "300"),
        _gateway("WEBHOOK_KEEP_BODIES", "true: whole messages are kept for 24 hours, encrypted", "true", "false"),
        VariableSpec(
            "USER_HASH_KEY",
            "the key of the hashes that stand for users, and of the audit trail's seals; generated",
            readers=("gateway", "orchestrateur"),
            secret=True,
        ),
        _gateway("CHANNEL_TENANTS"),
        _gateway("WIDGET"),
    )
)
CONVERSATIONS = VariableGroup(
    (
        _of(
            "orchestrateur",
            name="CONVERSATION_RETENTION_DAYS",
            meaning="days that conversations are kept",
            example="90",
            default="30",
        ),
        _of(
            "orchestrateur",
            name="AUDIT_RETENTION_DAYS",
            meaning="days that audit records are kept",
            example="730",
            default="400",
        ),
        _of("nlu", name="BUSINESSES"),
        _of("nlu", "orchestrateur", name="LLM"),
    )
)
CHANNEL_REPLIES = VariableGroup(
    (
        _worker("WORKER_CONCURRENCY", "conversations that one worker answers at once", "32", "16"),
        _worker("SEND_TIMEOUT_S", "seconds that one message to a channel may take", "20", "10"),
        _worker("META_PAGE_TOKEN", "the page's token: it sends Messenger replies", "EAAG…", secret=True),
        _worker("WHATSAPP_TOKEN", "the token of the WhatsApp Business account: it sends replies", "EAAG…", secret=True),
        _worker(
            "GRAPH_BASE_URL",
            "where Messenger and WhatsApp messages are sent",
            "https://graph.facebook.com",
            given="https://graph.facebook.com",
        ),
        _worker("GRAPH_VERSION", "the version of Meta's Graph API", "v23.0", given="v23.0"),
        _worker("TELEGRAM_BOT_TOKEN", "the bot's token, from @BotFather: it sends replies", "123456:ABC…", secret=True),
        _worker("TELEGRAM_BASE_URL", "another server with Telegram's bot API", "https://api.telegram.org"),
    )
)
NEXT_HOPS = VariableGroup(
    (
        _of("gateway", "worker", name="ORCHESTRATEUR_URL"),
        _of("gateway", "orchestrateur", name="RAG_URL"),
        _of("orchestrateur", name="NLU_URL"),
    )
)
CONSOLE = VariableGroup(
    (
        _gateway(
            "ALLOW_DEV_TOKEN", "true: the bearer `dev-token` opens the API, from this machine only", "false", "true"
        ),
        _gateway("NLU_URL"),
        _gateway("CONSOLE_PLACEMENTS"),
        _gateway(
            "CONSOLE_TRACE_URL",
            "the page that shows a trace; {trace_id} is replaced",
            "https://shop.grafana.net/explore?trace={trace_id}",
        ),
    ),
    _is_development,
)
SEARCH = VariableGroup(
    (
        _of(*INDEXERS, name="VECTOR"),
        _of(
            *INDEXERS,
            name="EMBEDDER",
            meaning="what turns texts into vectors: local, e5, openai or onnx",
            example="e5",
            default="local",
        ),
        _of("orchestrateur", name="OBJECTS_URL"),
        _of(
            "rag",
            name="SEARCH_FLOOR",
            meaning="the least probability, 0 to 1, that a passage needs to be an answer",
            example="0.5",
        ),
        _of(
            "rag",
            name="SEARCH_CACHE_S",
            meaning="seconds that a search result is kept; 0 keeps none",
            example="0",
            default="300",
        ),
    )
)
ONNX_EMBEDDINGS = VariableGroup(
    (
        _of(*INDEXERS, name="ONNX_EMBEDDING_MODEL", meaning=f"the folder of {_ONNX}", example="models/e5-small"),
        _of(
            *INDEXERS,
            name="ONNX_EMBEDDING_PREFIX",
            meaning="what the ONNX model wants before each passage",
            example="passage: ",
        ),
        _of(
            *INDEXERS,
            name="ONNX_EMBEDDING_QUESTION_PREFIX",
            meaning="what the ONNX model wants before each question",
            example="query: ",
        ),
        _of(
            *INDEXERS,
            name="ONNX_EMBEDDING_TOKENS",
            meaning="the longest text that the ONNX model reads, in tokens",
            example="256",
            default="512",
        ),
    ),
    lambda environment: environment.value("EMBEDDER") == "onnx",
)
COMMAND = VariableGroup(
    (VariableSpec("GRAFANA_TOKEN", "a service account's token, for `dashboards push`", "glsa_…", secret=True),)
)
GROUPS = (
    *(EVERY_PROGRAM, PUBLIC_EDGE, CONVERSATIONS, CHANNEL_REPLIES, NEXT_HOPS, CONSOLE, SEARCH, ONNX_EMBEDDINGS),
    COMMAND,
)
