"""What rag reads from its environment."""

from pydantic import Field, SecretStr

from salambot.settings import ServiceSettings


class RagSettings(ServiceSettings):
    """Where the index stands, and how search behaves."""

    postgres_url: SecretStr
    redis_url: SecretStr
    vector: str = "local"
    embedder: str = "local"
    search_floor: float | None = Field(default=None, ge=0, le=1)
    """Nothing is returned whose probability to answer is less; None: the fitted floor of the embedder."""
    search_cache_s: int = Field(default=300, ge=0)
    """How long an answer is kept in Redis; 0 keeps none. A change of the index empties it anyway."""
