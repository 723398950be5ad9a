"""Settings of nlu."""

from typing import Literal

from pydantic import Field, SecretStr

from salambot.core.businesses import Business
from salambot.core.settings import ServiceSettings


class NluSettings(ServiceSettings):
    """The provider and its failure handling. Times are in seconds."""

    llm: Literal["local", "openai"] = "local"
    llm_fallback: Literal["none", "local"] = "none"
    """`local`: on a provider failure answer extractively, with `provider` set to `local`."""
    businesses: dict[str, Business] = Field(default_factory=dict)
    """By tenant, as JSON: whose customers are answered."""
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    """Any OpenAI-compatible server; default: OpenAI."""
    openai_model: str = "gpt-4.1-mini"
    llm_timeout_s: float = Field(default=30, gt=0, le=60)
    """For one reply including retries; also the longest pause of a stream."""
    llm_attempts: int = Field(default=3, ge=1, le=5)
    llm_circuit_failures: int = Field(default=5, ge=1)
    """Consecutive failures that open the circuit."""
    llm_circuit_s: float = Field(default=20, gt=0)
    """Seconds that the circuit stays open before one trial request."""
