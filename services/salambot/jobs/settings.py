"""Settings of the jobs: the services' variables without the internal token."""

from typing import Annotated

from pydantic import Field, SecretStr

from salambot.core.settings import LogSettings
from salambot.knowledge.isolation import DOCUMENT_SECONDS


class JobSettings(LogSettings):
    """Variables of the jobs."""

    postgres_url: SecretStr
    redis_url: SecretStr | None = None
    """The cache of rag. It is invalidated after a seed; indexing does not need it."""
    objects_url: str
    vector: str = "local"
    embedder: str = "local"
    document_seconds: Annotated[float, Field(gt=0, le=600)] = DOCUMENT_SECONDS
    """How long one document may take to be read; past it the run goes on without it, and names it."""
