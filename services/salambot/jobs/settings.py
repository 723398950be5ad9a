"""What jobs read from their environment: the same variables as the services, without the token between these."""

from typing import Annotated

from pydantic import Field, SecretStr

from salambot.knowledge.isolation import DOCUMENT_SECONDS
from salambot.settings import LogSettings


class JobSettings(LogSettings):
    """Variables of the jobs."""

    postgres_url: SecretStr
    redis_url: SecretStr | None = None
    """Where rag caches: told of a new index, and not needed to make one."""
    objects_url: str
    vector: str = "local"
    embedder: str = "local"
    document_seconds: Annotated[float, Field(gt=0, le=600)] = DOCUMENT_SECONDS
    """How long one document may take to be read; past it the run goes on without it, and names it."""
