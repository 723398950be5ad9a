"""AWS clients with short timeouts and bounded retries, and one error type for AWS and network failures."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from configparser import Error as ConfigFileError
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, cast

from salambot_cli.aws.credential_chain import Profile, read_profile
from salambot_cli.aws.errors import NO_CREDENTIALS, UNREACHABLE, AwsError, AwsKind
from salambot_cli.aws.session import MfaNeededError, ProgramHangsError, open_session
from salambot_cli.components.variables import is_secret
from salambot_cli.host.probe_tcp import Reach, classify_error, exception_chain
from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elasticache import ElastiCacheClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

__all__ = ["NO_CREDENTIALS", "UNREACHABLE", "Aws", "AwsError", "AwsKind", "aws_clients", "translate_errors"]
_XML_ERROR = re.compile(r"<Code>(\w+)</Code>\s*<Message>([^<]*)</Message>")


class Aws:
    """Clients of one account and region. Each method of a client blocks: call it in a thread.

    Args:
        region: where resources are; None leaves it to the profile.
        profile: a name from `~/.aws/config`; None takes the default chain.
        variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CA_BUNDLE and AWS_ENDPOINT_URL….
    """

    def __init__(self, region: str | None, profile: str | None, variables: Mapping[str, str]) -> None:
        self.region = region
        self._profile = profile
        self._variables = variables
        self._session: boto3.Session | None = None
        # Sessions are not thread-safe, clients are: making one is serialised.
        self._lock = threading.RLock()
        self._clients: dict[str, object] = {}

    def _open(self) -> "boto3.Session":
        if self._session is None:
            self._session = open_session(self.region, self._profile, self._variables, self._config(2))
        return self._session

    @staticmethod
    def _config(attempts: int) -> "Config":
        from botocore.config import Config

        return Config(
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": attempts, "mode": "standard"},
        )

    @cached_property
    def profile(self) -> Profile:
        """The profile of the chain, as its files tell it."""
        return read_profile(self._profile)

    @property
    def has_own_keys(self) -> bool:
        """Return whether keys in variables come before any profile."""
        return bool(self._variables.get("AWS_ACCESS_KEY_ID"))

    def endpoint(self, service: str) -> str | None:
        """Return the URL that a variable gives to a service, such as `AWS_ENDPOINT_URL_S3`."""
        name = self.endpoint_variable(service)
        return self._variables[name] if name else None

    def endpoint_variable(self, service: str) -> str | None:
        """Return the variable that overrides a service's endpoint."""
        names = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
        return next((name for name in names if self._variables.get(name)), None)

    def url(self, service: str) -> str:
        """Return where a service is asked: a variable's URL, the profile's, or AWS's own in this region."""
        region = self.region or self.profile.settings.get("region") or "us-east-1"
        ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        own = f"https://{service.replace('_', '')}.{region}.{ending}"
        return self.endpoint(service) or self.profile.endpoint(service) or own

    @property
    def ca_bundle(self) -> str | None:
        """The PEM file that AWS's certificates are verified with, where the environment names one."""
        return self._variables.get("AWS_CA_BUNDLE")

    def client(self, service: str, endpoint: str | None = None, *, attempts: int = 3) -> object:
        """Return the one client of a service; `endpoint` is the service's name in `AWS_ENDPOINT_URL_…`."""
        name = f"{service}:{attempts}"
        with self._lock, translate_errors():
            if name not in self._clients:
                make: Callable[..., object] = self._open().client
                self._clients[name] = make(
                    service,
                    endpoint_url=self.endpoint(endpoint or service),
                    verify=self.ca_bundle,
                    config=self._config(attempts),
                )
            return self._clients[name]

    def credentials(self) -> dict[str, str | Secret]:
        """Return the keys that the chain finds (variables, profile, SSO, role), as variables; empty without any."""
        with self._lock, translate_errors():
            found = self._open().get_credentials()
            if found is None:
                return {}
            frozen = found.get_frozen_credentials()
        keys = {
            "AWS_ACCESS_KEY_ID": frozen.access_key,
            "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
            "AWS_SESSION_TOKEN": frozen.token,
        }
        return {name: Secret(value) if is_secret(name) else value for name, value in keys.items() if value}

    @property
    def sts(self) -> "STSClient":
        """The Security Token Service."""
        return cast("STSClient", self.client("sts"))

    @property
    def ec2(self) -> "EC2Client":
        """Networks: security groups, subnets, routes."""
        return cast("EC2Client", self.client("ec2"))

    @property
    def rds(self) -> "RDSClient":
        """Postgres."""
        return cast("RDSClient", self.client("rds"))

    @property
    def elasticache(self) -> "ElastiCacheClient":
        """Redis."""
        return cast("ElastiCacheClient", self.client("elasticache"))

    @property
    def s3(self) -> "S3Client":
        """Objects."""
        return cast("S3Client", self.client("s3"))

    @property
    def s3_once(self) -> "S3Client":
        """Objects, without retries: for a question whose answer is a refusal."""
        return cast("S3Client", self.client("s3", attempts=1))

    @property
    def secretsmanager(self) -> "SecretsManagerClient":
        """Secrets."""
        return cast("SecretsManagerClient", self.client("secretsmanager", "secrets_manager"))

    @property
    def kms(self) -> "KMSClient":
        """Keys."""
        return cast("KMSClient", self.client("kms"))

    @property
    def iam(self) -> "IAMClient":
        """Users and policies."""
        return cast("IAMClient", self.client("iam"))

    @property
    def cloudtrail(self) -> "CloudTrailClient":
        """Audit trails."""
        return cast("CloudTrailClient", self.client("cloudtrail"))

    @property
    def cloudwatch(self) -> "CloudWatchClient":
        """Metrics."""
        return cast("CloudWatchClient", self.client("cloudwatch"))


def aws_clients(environment: Environment) -> Aws:
    """Return the clients of an environment: its region, profile, keys and endpoints."""
    names = (name for name in environment.variables if name.startswith("AWS_"))
    variables = {name: environment.value(name) or "" for name in names}
    region = environment.aws.region or variables.get("AWS_REGION")
    return Aws(region, environment.aws.profile or variables.get("AWS_PROFILE"), variables)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what botocore raises, and what the links of its chain raise, into an `AwsError`."""
    from botocore import exceptions as boto
    from urllib3.exceptions import HTTPError

    try:
        yield
    except boto.ClientError as error:
        reply = error.response
        headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        code, message = _code_and_message(reply.get("Error", {}))
        raise AwsError(code, message, headers=headers, operation=error.operation_name) from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        raise AwsError(UNREACHABLE, str(error), _reach(error)) from error
    except HTTPError as error:  # urllib3's own, such as a proxy's scheme that it does not speak
        raise AwsError(UNREACHABLE, str(error), Reach.WRONG_PROTOCOL) from error
    except _no_credentials() as error:
        raise AwsError(NO_CREDENTIALS, str(error)) from error
    except MfaNeededError as error:
        raise AwsError("MfaRequired", str(error), operation="AssumeRole") from error
    except (ProgramHangsError, OSError, ConfigFileError, UnicodeError, json.JSONDecodeError) as error:
        # A program, a token file or a configuration file of the chain, which is not there or cannot be read.
        raise AwsError(NO_CREDENTIALS, f"{type(error).__name__}: {error}") from error
    except (boto.BotoCoreError, ValueError) as error:
        raise AwsError(type(error).__name__, str(error)) from error
    except (LookupError, TypeError, AttributeError) as error:  # botocore's parsers, of an answer that AWS never gives
        message = f"what answers is not AWS, or a portal stands before it ({type(error).__name__}: {error})"
        raise AwsError("UnreadableResponse", message) from error


def _no_credentials() -> tuple[type[Exception], ...]:
    from botocore import exceptions as boto

    return (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.ProfileNotFound,
        boto.CredentialRetrievalError,
        boto.NoRegionError,
        boto.SSOError,
        boto.TokenRetrievalError,
        boto.InvalidConfigError,
        boto.UnknownCredentialError,
        boto.ConfigParseError,
        boto.ConfigNotFound,
        boto.InfiniteLoopConfigError,
        boto.RefreshWithMFAUnsupportedError,
        boto.MetadataRetrievalError,
    )


def _code_and_message(error: Mapping[str, object]) -> tuple[str, str]:
    """Return the error's code and message; a proxy may answer XML where the service speaks JSON."""
    code, message = str(error.get("Code", "Unknown")), str(error.get("Message", ""))
    inner = _XML_ERROR.search(message) if code.isdigit() else None
    return (inner[1], inner[2]) if inner else (code, message)


def _reach(error: BaseException) -> Reach:
    from botocore import exceptions as boto

    if isinstance(error, boto.ReadTimeoutError):
        return Reach.MUTE
    if isinstance(error, boto.ConnectTimeoutError):
        return Reach.SILENT
    inner = [e for cause in exception_chain(error) for e in (cause, getattr(cause, "kwargs", {}).get("error")) if e]
    return min((classify_error(e) for e in inner if isinstance(e, BaseException)), key=lambda r: r is Reach.RESET)
