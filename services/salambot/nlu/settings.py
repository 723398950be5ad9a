"""What nlu reads from its environment."""

from typing import Literal

from pydantic import Field, SecretStr

from salambot.businesses import Business
from salambot.settings import ServiceSettings


class NluSettings(ServiceSettings):
    """The provider, and how far to go with one that fails. Times are in seconds."""

    llm: Literal["local", "openai"] = "local"
    llm_fallback: Literal["none", "local"] = "none"
    """`local`: answer extractively when the provider fails, and say so in `provider`."""
    businesses: dict[str, Business] = Field(default_factory=dict)
    """By tenant, as JSON: whose customers are answered."""
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    """Any OpenAI-compatible server; OpenAI itself without it."""
    openai_model: str = "gpt-4.1-mini"
    llm_timeout_s: float = Field(default=30, gt=0, le=60)
    """For one reply with all its retries; a stream may take as long between two pieces."""
    llm_attempts: int = Field(default=3, ge=1, le=5)
    llm_circuit_failures: int = Field(default=5, ge=1)
    """Replies that fail in a row before the circuit opens."""
    llm_circuit_s: float = Field(default=20, gt=0)
    """How long the circuit stays open before one reply tries again."""
