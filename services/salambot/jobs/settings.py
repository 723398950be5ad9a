"""What jobs read from their environment: the same variables as the services, without the token between these."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from salambot.settings import ServiceSettings


class JobSettings(BaseSettings):
    """Variables of the jobs. Compose secrets (files named like the variable) are read too."""

    model_config = ServiceSettings.model_config

    postgres_url: SecretStr
    redis_url: SecretStr | None = None
    """Where rag caches: told of a new index, and not needed to make one."""
    objects_url: str
    vector: str = "local"
    embedder: str = "local"
