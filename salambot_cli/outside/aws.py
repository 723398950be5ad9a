"""AWS clients with low time limits and bounded retries, and one error for what AWS or the way to it refuses."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from salambot_cli.model.environment import Environment
from salambot_cli.model.secret import Secret
from salambot_cli.model.variables import is_secret
from salambot_cli.outside.network import Reach, causes, reach_of

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

NO_CREDENTIALS = "NoCredentials"
UNREACHABLE = "Unreachable"
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_BAD = frozenset(
    {
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "AuthFailure",
        "InvalidToken",
        "IncompleteSignature",
    }
)
_XML_ERROR = re.compile(r"<Code>(\w+)</Code>\s*<Message>([^<]*)</Message>")
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown", "TooManyRequestsException"}
)


class AwsFailure(Exception):  # noqa: N818 - a refusal that probes read, not an error that people see
    """A call that did not succeed: AWS's own error code, or `NoCredentials`, or `Unreachable`."""

    def __init__(
        self, code: str, message: str, reach: Reach | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.reach = reach
        self.headers = dict(headers or {})

    @property
    def is_denied(self) -> bool:
        """The caller is known and may not do this."""
        return self.code in _DENIED

    @property
    def is_bad_credentials(self) -> bool:
        """The caller's key, secret or session is refused."""
        return self.code in _BAD

    @property
    def is_skewed(self) -> bool:
        """The signature's time is refused."""
        text = self.message.lower()
        return self.code in _SKEWED or "signature expired" in text or "signature not yet current" in text

    @property
    def is_server_side(self) -> bool:
        """The service failed by itself."""
        return self.code in {"500", "502", "503", "InternalError", "InternalFailure", "ServiceUnavailable"}

    @property
    def is_throttled(self) -> bool:
        """Too many calls, after the retries."""
        return self.code in _THROTTLED


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
        import boto3

        if self._session is None:
            key = self._variables.get("AWS_ACCESS_KEY_ID")
            self._session = boto3.Session(
                aws_access_key_id=key,
                aws_secret_access_key=self._variables.get("AWS_SECRET_ACCESS_KEY") if key else None,
                aws_session_token=self._variables.get("AWS_SESSION_TOKEN") if key else None,
                region_name=self.region,
                profile_name=None if key else self._profile,
            )
        return self._session

    @staticmethod
    def _config(attempts: int) -> "Config":
        from botocore.config import Config

        return Config(
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": attempts, "mode": "standard"},
        )

    def endpoint(self, service: str) -> str | None:
        """Return the URL that a service is overridden with, such as `AWS_ENDPOINT_URL_S3`."""
        name = f"AWS_ENDPOINT_URL_{service.upper()}"
        return self._variables.get(name) or self._variables.get("AWS_ENDPOINT_URL")

    @property
    def ca_bundle(self) -> str | None:
        """The PEM file that AWS's certificates are verified with, where the environment names one."""
        return self._variables.get("AWS_CA_BUNDLE")

    def client(self, service: str, endpoint: str | None = None, *, attempts: int = 3) -> object:
        """Return the one client of a service; `endpoint` is the service's name in `AWS_ENDPOINT_URL_…`."""
        name = f"{service}:{attempts}"
        with self._lock, translated():
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
        with self._lock, translated():
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
        """Who we are."""
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


def aws_of(environment: Environment) -> Aws:
    """Return the clients of an environment: its region, profile, keys and endpoints."""
    names = (name for name in environment.variables if name.startswith("AWS_"))
    variables = {name: environment.value(name) or "" for name in names}
    region = environment.aws.region or variables.get("AWS_REGION")
    return Aws(region, environment.aws.profile or variables.get("AWS_PROFILE"), variables)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what botocore raises into an `AwsFailure`."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        reply = error.response
        headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        raise AwsFailure(*_code_and_message(reply.get("Error", {})), headers=headers) from error
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.ProfileNotFound,
        boto.CredentialRetrievalError,
        boto.NoRegionError,
        boto.SSOError,
        boto.TokenRetrievalError,
    ) as error:
        raise AwsFailure(NO_CREDENTIALS, str(error)) from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        raise AwsFailure(UNREACHABLE, str(error), _reach(error)) from error
    except boto.BotoCoreError as error:
        raise AwsFailure(type(error).__name__, str(error)) from error


def _code_and_message(error: Mapping[str, object]) -> tuple[str, str]:
    """Read AWS's refusal; what stands in front of a service may speak XML where the service speaks JSON."""
    code, message = str(error.get("Code", "Unknown")), str(error.get("Message", ""))
    inner = _XML_ERROR.search(message) if code.isdigit() else None
    return (inner[1], inner[2]) if inner else (code, message)


def _reach(error: BaseException) -> Reach:
    from botocore import exceptions as boto

    if isinstance(error, boto.ReadTimeoutError):
        return Reach.MUTE
    if isinstance(error, boto.ConnectTimeoutError):
        return Reach.SILENT
    inner = [e for cause in causes(error) for e in (cause, getattr(cause, "kwargs", {}).get("error")) if e]
    return min((reach_of(e) for e in inner if isinstance(e, BaseException)), key=lambda r: r is Reach.RESET)
