"""An OTLP endpoint, such as Grafana Cloud: where traces, metrics and logs are sent."""

from salambot_cli.components.description import Placement, VariableSpec
from salambot_cli.model.environment import Environment
from salambot_cli.model.prices import Prices, Usage
from salambot_cli.model.topology import PROGRAMS
from salambot_contracts.http_url import parse_http_url


def _address(environment: Environment) -> str | None:
    return environment.value("OTEL_EXPORTER_OTLP_ENDPOINT")


def _monthly(_: Usage, prices: Prices) -> tuple[str, float]:
    return "Grafana Cloud, the free tier", prices.of("telemetry", "free_tier")


def _variable(name: str, meaning: str, example: str, given: str = "") -> VariableSpec:
    return VariableSpec(f"OTEL_{name}", meaning, example, given=given, readers=PROGRAMS)


OTLP = Placement(
    "telemetry",
    "otlp",
    (
        VariableSpec(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "where traces, metrics and logs are sent",
            "https://otlp-gateway-<zone>.grafana.net/otlp",
            readers=PROGRAMS,
            required=True,
            url=parse_http_url,
        ),
        _variable(
            "EXPORTER_OTLP_PROTOCOL", "how telemetry is sent: http/protobuf or grpc", "grpc", given="http/protobuf"
        ),
        VariableSpec(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "the login of the telemetry endpoint",
            "Authorization=Basic …",
            readers=PROGRAMS,
            secret=True,
        ),
        _variable(
            "SERVICE_NAME", "the name of this environment in telemetry", "salambot-staging", given="salambot-local"
        ),
        _variable("TRACES_SAMPLER", "which requests are traced", "parentbased_traceidratio"),
        _variable("TRACES_SAMPLER_ARG", "the share of requests that is traced, 0 to 1", "0.1"),
        _variable("METRIC_EXPORT_INTERVAL", "milliseconds between two exports of metrics", "60000"),
        _variable("BSP_SCHEDULE_DELAY", "milliseconds between two exports of spans", "5000"),
        _variable("EXPORTER_OTLP_TIMEOUT", "seconds that one export may take", "10"),
        _variable("EXPORTER_OTLP_COMPRESSION", "how telemetry is compressed: gzip or none", "gzip"),
        _variable("RESOURCE_ATTRIBUTES", "labels of all telemetry", "team=shop,region=casablanca"),
    ),
    recognized_by="OTEL_EXPORTER_OTLP_ENDPOINT",
    older_names=("grafana", "grafana-cloud", "cloud"),
    address=_address,
    monthly=_monthly,
)
