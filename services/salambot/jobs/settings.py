"""What jobs read from their environment: the same variables as the services, without the token between these."""

from pydantic import SecretStr

from salambot.settings import LogSettings


class JobSettings(LogSettings):
    """Variables of the jobs."""

    postgres_url: SecretStr
    redis_url: SecretStr | None = None
    """Where rag caches: told of a new index, and not needed to make one."""
    objects_url: str
    vector: str = "local"
    embedder: str = "local"
