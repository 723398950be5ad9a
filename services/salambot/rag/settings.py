"""What rag reads from its environment."""

from pydantic import Field, SecretStr

from salambot.rag.lookup import FLOOR
from salambot.settings import ServiceSettings


class RagSettings(ServiceSettings):
    """Where the index stands, and how search behaves."""

    postgres_url: SecretStr
    redis_url: SecretStr
    vector: str = "local"
    embedder: str = "local"
    search_floor: float = Field(default=FLOOR, ge=0, le=1)
    """Passages that score less are not returned."""
    search_cache_s: int = Field(default=300, ge=0)
    """How long an answer is kept in Redis; 0 keeps none. A change of the index empties it anyway."""
