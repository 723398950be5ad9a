"""OpenAI, or another server with its API: the language model, and embeddings."""

from collections.abc import Iterator

from salambot_cli.components.description import INDEXERS, Placement, VariableGroup, VariableSpec
from salambot_cli.model.environment import Environment
from salambot_cli.model.prices import Prices, Saving, Usage
from salambot_contracts.http_url import parse_openai_url

_TOKENS_IN, _TOKENS_OUT = 600, 150
"""Of one reply, with five passages."""


def _address(environment: Environment) -> str:
    return environment.value("OPENAI_BASE_URL") or "https://api.openai.com"


def _monthly(usage: Usage, prices: Prices) -> tuple[str, float]:
    paid = _TOKENS_IN * prices.of("llm", "input_million") + _TOKENS_OUT * prices.of("llm", "output_million")
    return f"{usage.messages} replies of gpt-4.1-mini", usage.messages * (paid / 1_000_000)


def _savings(usage: Usage, prices: Prices) -> Iterator[Saving]:
    passages = usage.messages * 0.4 * _TOKENS_IN * prices.of("llm", "input_million") / 1_000_000
    yield Saving("llm", "a top_k of 3 and short documents make questions to the model shorter", round(passages, 2))


OPENAI = Placement(
    "llm",
    "openai",
    (
        VariableSpec(
            "LLM_FALLBACK",
            "when the language model fails: none (an error) or local (an extract)",
            "local",
            "none",
            readers=("nlu",),
        ),
        VariableSpec(
            "OPENAI_API_KEY",
            "the key of the language model's server",
            "sk-…",
            readers=("nlu",),
            secret=True,
            required=True,
            refuse_well_known=True,
        ),
        VariableSpec(
            "OPENAI_BASE_URL",
            "another server with OpenAI's API",
            "http://localhost:11434/v1",
            readers=("nlu",),
            url=parse_openai_url,
            plain_on_loopback=True,
        ),
        VariableSpec(
            "OPENAI_MODEL",
            "the language model that writes the replies",
            "gpt-4.1",
            "gpt-4.1-mini",
            readers=("nlu",),
        ),
    ),
    recognized_by="OPENAI_API_KEY",
    address=_address,
    monthly=_monthly,
    savings=_savings,
)

EMBEDDINGS = VariableGroup(
    (
        VariableSpec("OPENAI_API_KEY", readers=INDEXERS, secret=True),
        VariableSpec("OPENAI_BASE_URL", readers=INDEXERS),
        VariableSpec(
            "OPENAI_EMBEDDING_API_KEY",
            "the key of the server of embeddings, where it is another one",
            "sk-…",
            readers=INDEXERS,
            secret=True,
        ),
        VariableSpec(
            "OPENAI_EMBEDDING_BASE_URL",
            "the server of embeddings, where it is another one",
            "http://localhost:11434/v1",
            readers=INDEXERS,
        ),
        VariableSpec(
            "OPENAI_EMBEDDING_MODEL",
            "the model of embeddings",
            "text-embedding-3-large",
            "text-embedding-3-small",
            readers=INDEXERS,
        ),
        VariableSpec(
            "OPENAI_EMBEDDING_DIMENSIONS", "the length of the vectors, at most 4000", "1536", "1024", readers=INDEXERS
        ),
        VariableSpec(
            "OPENAI_EMBEDDING_PRICE",
            "US dollars for a million tokens; 0: `seed` never asks",
            "0.02",
            readers=INDEXERS,
        ),
    ),
    lambda environment: environment.value("EMBEDDER") == "openai",
)
