"""Settings of rag."""

from pydantic import Field, SecretStr

from salambot.core.settings import ServiceSettings


class RagSettings(ServiceSettings):
    """The index and the search options."""

    postgres_url: SecretStr
    redis_url: SecretStr
    vector: str = "local"
    embedder: str = "local"
    search_floor: float | None = Field(default=None, ge=0, le=1)
    """Nothing is returned whose probability to answer is less; None: the fitted floor of the embedder."""
    search_cache_s: int = Field(default=300, ge=0)
    """How long an answer is kept in Redis; 0 keeps none. A change of the index empties it anyway."""
