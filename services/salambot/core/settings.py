"""Settings that every service reads. Each service adds its own in its settings.py."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_COMPOSE_SECRETS = Path("/run/secrets")


class LogSettings(BaseSettings):
    """How to log: services and jobs. Compose secrets (files named like the variable) are read too."""

    model_config = SettingsConfigDict(
        extra="ignore", secrets_dir=_COMPOSE_SECRETS if _COMPOSE_SECRETS.is_dir() else None, env_ignore_empty=True
    )

    log_level: str = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto` is for people on a terminal, and JSON elsewhere."""


class ServiceSettings(LogSettings):
    """Variables shared by the services."""

    env: Literal["local", "cloud-local", "staging", "production"] = "local"
    tenant: str = "demo"
    internal_token: SecretStr
    """Shared by the services of one environment; `/internal/*` refuses a call without it."""
    otel_exporter_otlp_endpoint: str | None = None
    otel_service_name: str | None = None

    @cached_property
    def is_development(self) -> bool:
        """Return whether this environment is a developer's own."""
        return self.env in {"local", "cloud-local"}
