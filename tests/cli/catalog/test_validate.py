"""Everything missing in one error; cloud URLs without verified TLS refused."""

from collections.abc import Callable

import pytest

from salambot_cli.config.validate import validate
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, ExitStatus

MakeEnvironment = Callable[..., Environment]

T1 = {
    "POSTGRES_URL": "postgres://u:hunter2hunter2@rds.example/salambot?sslmode=verify-full",
    "REDIS_URL": "rediss://:hunter2hunter2@cache.example:6379",
    "PINECONE_API_KEY": "pcsk_x",
    "PINECONE_INDEX": "salambot-kb",
    "AWS_REGION": "eu-west-1",
    "S3_BUCKET": "salambot-kb",
    "OPENAI_API_KEY": "sk-x",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example",
}


def test_complete_environments_pass(make_environment: MakeEnvironment) -> None:
    validate(make_environment())
    validate(make_environment("t1", variables=T1))
    validate(make_environment("t1", "t3", variables=T1), secrets_pulled=True)


def test_all_missing_variables_at_once(make_environment: MakeEnvironment) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate(make_environment("t1"))
    error = caught.value
    assert error.status == ExitStatus.USAGE
    for name in T1:
        assert name in error.what
        assert f"{name}: " in error.why
        assert f"{name}=" in error.fix
    assert error.what.count("AWS_REGION") == 1


def test_secrets_manager_brings_the_secret_ones_later(make_environment: MakeEnvironment) -> None:
    plain = {n: T1[n] for n in ("PINECONE_INDEX", "AWS_REGION", "S3_BUCKET", "OTEL_EXPORTER_OTLP_ENDPOINT")}
    environment = make_environment("t1", "t3", variables=plain)
    validate(environment)
    with pytest.raises(ConfigurationError, match="POSTGRES_URL, REDIS_URL, PINECONE_API_KEY, OPENAI_API_KEY") as caught:
        validate(environment, secrets_pulled=True)
    assert "Secrets Manager" in caught.value.why


@pytest.mark.parametrize(
    ("name", "value", "component"),
    [
        ("POSTGRES_URL", "postgres://u:hunter2hunter2@rds.example/salambot", "postgres"),
        ("POSTGRES_URL", "postgres://u:hunter2hunter2@rds.example/salambot?sslmode=require", "postgres"),
        ("POSTGRES_URL", "postgres://u:hunter2hunter2@rds.example/salambot?sslmode=verify-ca", "postgres"),
        ("REDIS_URL", "redis://:hunter2hunter2@cache.example:6379", "redis"),
        ("REDIS_URL", "rediss://:hunter2hunter2@cache.example:6379?ssl_cert_reqs=none", "redis"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otlp.example:4318", "telemetry"),
        ("OPENAI_BASE_URL", "http://llm.example/v1", "llm"),
        ("PINECONE_CONTROLLER_HOST", "http://pinecone.example", "vector"),
        ("AWS_ENDPOINT_URL_S3", "http://s3.example", "objects"),
    ],
)
def test_weak_tls_is_refused_unless_allowed(
    make_environment: MakeEnvironment, name: str, value: str, component: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate(make_environment("t1", variables={**T1, name: value}))
    error = caught.value
    assert error.status == ExitStatus.USAGE
    assert name in error.what
    assert component in error.fix
    assert "hunter2" not in error.what + error.why + error.fix
    validate(make_environment("t1", variables={**T1, name: value}, allow_insecure=frozenset({component})))


@pytest.mark.parametrize("url", ["nonsense", "postgres://", "postgres://host:port/db", "mysql://u:p@host/db"])
def test_a_malformed_url_is_named_not_shown(make_environment: MakeEnvironment, url: str) -> None:
    with pytest.raises(ConfigurationError, match="POSTGRES_URL"):
        validate(make_environment("t1", variables={**T1, "POSTGRES_URL": url}))


def test_local_placements_may_go_without_tls(make_environment: MakeEnvironment) -> None:
    validate(make_environment(variables={"REDIS_URL": "redis://localhost:6379", "OPENAI_BASE_URL": "http://x.example"}))


@pytest.mark.parametrize("host", ["127.0.0.1:11434", "localhost:1234", "[::1]:8000"])
def test_a_model_on_this_machine_may_be_asked_in_clear(make_environment: MakeEnvironment, host: str) -> None:
    validate(make_environment("t1", variables={**T1, "OPENAI_BASE_URL": f"http://{host}/v1"}))
