"""Variables of the programs themselves, whatever the placements are: the API, the channels, search, the console."""

from salambot_cli.components.description import INDEXERS, VariableGroup, VariableSpec
from salambot_cli.model.environment import Environment
from salambot_cli.model.topology import PROGRAMS

_ONNX = "a sentence model in ONNX, with EMBEDDER=onnx"


def _gateway(
    name: str, meaning: str = "", example: str = "", default: str = "", *, given: str = "", secret: bool = False
) -> VariableSpec:
    return VariableSpec(name, meaning, example, default, given, ("gateway",), secret)


def _worker(
    name: str, meaning: str, example: str = "", default: str = "", *, given: str = "", secret: bool = False
) -> VariableSpec:
    return VariableSpec(name, meaning, example, default, given, ("worker",), secret)


def _is_development(environment: Environment) -> bool:
    return environment.env_name in {"local", "cloud-local"}


EVERY_PROGRAM = VariableGroup(
    (
        VariableSpec(
            "ENV",
            "the kind of environment: local, or cloud-local where a part stands in the cloud",
            "cloud-local",
            readers=PROGRAMS,
        ),
        VariableSpec("TENANT", "the tenant; above `tenant` in salambot.toml", "demo", readers=PROGRAMS),
        VariableSpec(
            "INTERNAL_TOKEN",
            "what the services of one environment show one another; generated",
            readers=PROGRAMS,
            secret=True,
        ),
        VariableSpec(
            "LOG_LEVEL", "how much the services log: DEBUG, INFO, WARNING or ERROR", "DEBUG", "INFO", readers=PROGRAMS
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
        VariableSpec(
            "GENERATE_TIMEOUT_S", "seconds that a reply may take", "120", "60", readers=("gateway", "orchestrateur")
        ),
        VariableSpec(
            "SEARCH_TIMEOUT_S", "seconds that a search may take", "5", "10", readers=("gateway", "orchestrateur")
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
        VariableSpec(
            "CONVERSATION_RETENTION_DAYS", "days that conversations are kept", "90", "30", readers=("orchestrateur",)
        ),
        VariableSpec(
            "AUDIT_RETENTION_DAYS", "days that audit records are kept", "730", "400", readers=("orchestrateur",)
        ),
        VariableSpec("BUSINESSES", readers=("nlu",)),
        VariableSpec("LLM", readers=("nlu", "orchestrateur")),
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
        VariableSpec("ORCHESTRATEUR_URL", readers=("gateway", "worker")),
        VariableSpec("RAG_URL", readers=("gateway", "orchestrateur")),
        VariableSpec("NLU_URL", readers=("orchestrateur",)),
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
        VariableSpec("VECTOR", readers=INDEXERS),
        VariableSpec(
            "EMBEDDER", "what turns texts into vectors: local, e5, openai or onnx", "e5", "local", readers=INDEXERS
        ),
        VariableSpec("OBJECTS_URL", readers=("orchestrateur",)),
        VariableSpec(
            "SEARCH_FLOOR",
            "the least probability, 0 to 1, that a passage needs to be an answer",
            "0.5",
            readers=("rag",),
        ),
        VariableSpec(
            "SEARCH_CACHE_S", "seconds that a search result is kept; 0 keeps none", "0", "300", readers=("rag",)
        ),
    )
)
ONNX_EMBEDDINGS = VariableGroup(
    (
        VariableSpec("ONNX_EMBEDDING_MODEL", f"the folder of {_ONNX}", "models/e5-small", readers=INDEXERS),
        VariableSpec(
            "ONNX_EMBEDDING_PREFIX", "what the ONNX model wants before each passage", "passage: ", readers=INDEXERS
        ),
        VariableSpec(
            "ONNX_EMBEDDING_QUESTION_PREFIX",
            "what the ONNX model wants before each question",
            "query: ",
            readers=INDEXERS,
        ),
        VariableSpec(
            "ONNX_EMBEDDING_TOKENS",
            "the longest text that the ONNX model reads, in tokens",
            "256",
            "512",
            readers=INDEXERS,
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
