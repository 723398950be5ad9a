"""Settings of telemetry. The standard OTEL_* variables are read by OpenTelemetry itself."""

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from salambot.core.settings import ServiceSettings


class TelemetrySettings(BaseSettings):
    """Variables that every process has, whatever it is."""

    model_config = ServiceSettings.model_config

    env: str = "local"
    telemetry: Literal["off", "otlp", "local"] | None = None
    """Without it: `otlp` where there is an endpoint, else `off`."""
    otel_exporter_otlp_endpoint: str | None = None
    otel_service_name: str | None = None
    redis_url: SecretStr | None = None

    @property
    def destination(self) -> Literal["off", "otlp", "local"]:
        """The destination of telemetry."""
        if self.telemetry == "local" and self.redis_url is not None:
            return "local"
        return "otlp" if self.telemetry != "off" and self.otel_exporter_otlp_endpoint else "off"
