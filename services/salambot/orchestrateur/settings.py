"""Settings of orchestrateur."""

from typing import Literal

from pydantic import Field, SecretStr

from salambot.core.settings import ServiceSettings


class OrchestrateurSettings(ServiceSettings):
    """URLs and limits of the dialogue service. Times are in seconds."""

    postgres_url: SecretStr
    redis_url: SecretStr
    user_hash_key: SecretStr | None = None
    """Key of the stored message bodies that a replay needs."""
    rag_url: str = "http://127.0.0.1:8083"
    nlu_url: str = "http://127.0.0.1:8082"
    llm: Literal["local", "openai"] = "local"
    """With a model, retrieval leaves it to the model what answers."""
    search_timeout_s: float = Field(default=10, gt=0, le=60)
    generate_timeout_s: float = Field(default=60, gt=0, le=600)
    conversation_retention_days: int = Field(default=30, ge=1)
    """How long turns are kept; see docs/security/pii.md."""
    audit_retention_days: int = Field(default=400, ge=1)
    """How long audit records are kept; see docs/security/audit.md."""
