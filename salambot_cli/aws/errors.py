"""Every refusal of AWS, and of the SDK before it asks, classified once: what kind it is, and whom it is about."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from salambot_cli.host.probe_tcp import Reach

NO_CREDENTIALS = "NoCredentials"
UNREACHABLE = "Unreachable"


class AwsKind(StrEnum):
    """The subject of a refusal. Each has one remedy of its own."""

    NO_CREDENTIALS = "no credentials"
    BAD_KEY = "key"
    BAD_SECRET = "secret"  # noqa: S105 - a kind of refusal
    SESSION_ENDED = "session"
    LINK = "link"
    """A link of the credential chain: a role, a login, a program, a file."""
    CLOCK = "clock"
    DENIED = "denied"
    ACCOUNT = "account"
    """The account itself is closed, suspended or not signed up for the service."""
    KEY = "kms"
    REGION = "region"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    ABSENT = "absent"
    STATE = "state"
    INVALID = "invalid"
    SERVER = "server"
    UNKNOWN = "unknown"


_CODES: Mapping[AwsKind, str] = {
    AwsKind.NO_CREDENTIALS: NO_CREDENTIALS,
    AwsKind.UNREACHABLE: UNREACHABLE,
    AwsKind.CLOCK: r"RequestTimeTooSkewed|RequestExpired|RequestInTheFuture",
    AwsKind.SESSION_ENDED: r"(Expired|Invalid)Token(Exception)?|TokenRefreshRequired|ExpiredTokenException",
    AwsKind.BAD_SECRET: r"SignatureDoesNotMatch|IncompleteSignature|InvalidSignature(Exception)?",
    AwsKind.BAD_KEY: r"InvalidClientTokenId|InvalidAccessKeyId|UnrecognizedClient(Exception)?|AuthFailure"
    r"|MissingAuthenticationToken|NotSignedUp",
    AwsKind.ACCOUNT: r"OptInRequired|PendingVerification|AccountProblem|AccountSuspended|SubscriptionRequired\w*"
    r"|UnverifiedAccount\w*",
    AwsKind.KEY: r"(KMS\.?)?(KMS|Kms)\w*|KMS\.\w+|DecryptionFailure|EncryptionFailure|DisabledException"
    r"|KeyUnavailable\w*",
    AwsKind.DENIED: r"AccessDenied\w*|Access Denied|Unauthorized\w*|NotAuthorized\w*|Forbidden\w*|403"
    r"|AllAccessDisabled",
    AwsKind.REGION: r"(Permanent|Temporary)?Redirect|301|307|AuthorizationHeaderMalformed|IllegalLocationConstraint\w*"
    r"|InvalidRegion\w*|RegionDisabled\w*|InvalidLocationConstraint|IncorrectEndpoint",
    AwsKind.THROTTLED: r"\w*Throttl\w*|RequestLimitExceeded|SlowDown|TooManyRequests\w*|\w*ThroughputExceeded\w*"
    r"|BandwidthLimitExceeded|PriorRequestNotComplete|429",
    AwsKind.ABSENT: r"[\w.]*NotFound\w*|NoSuch\w+|404|\w*DoesNotExist\w*|Invalid\w+\.Malformed",
    AwsKind.STATE: r"Invalid\w*State\w*|\w*InUse\w*|\w*Conflict\w*|IncorrectState|OperationAborted|\w*Exists\w*"
    r"|InvalidRequestException|InvalidObjectState|409|412",
    AwsKind.SERVER: r"Internal\w*|ServiceUnavailable\w*|ServiceFailure\w*|RequestTimeout\w*|5\d\d",
    AwsKind.INVALID: r"Validation\w*|InvalidParameter\w*|Invalid\w+|Malformed\w+|Missing\w+|Unsupported\w*|Param\w+"
    r"|400",
}
_KINDS = {kind: re.compile(rf"(?:{pattern})\Z") for kind, pattern in _CODES.items()}
_CLOCK_WORDS = ("signature expired", "signature not yet current", "is now earlier than", "is later than")
_EXPIRED_WORDS = (
    "token has expired",
    "token included in the request is expired",
    "session has expired",
    "has expired or",
)
_LINKS = frozenset(
    {"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetRoleCredentials", "CreateToken"}
)
"""The calls with which the SDK gets credentials for the call that was asked for."""


def kind_of(code: str, message: str = "", operation: str = "") -> AwsKind:
    """Classify a refusal by its code, then by its words; the operation tells a link of the credential chain."""
    low = message.lower()
    if any(words in low for words in _CLOCK_WORDS):
        return AwsKind.CLOCK
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.match(code)), AwsKind.UNKNOWN)
    if operation in _LINKS and kind not in {AwsKind.UNREACHABLE, AwsKind.SERVER, AwsKind.THROTTLED, AwsKind.CLOCK}:
        return AwsKind.LINK
    if kind in {AwsKind.DENIED, AwsKind.INVALID, AwsKind.STATE, AwsKind.UNKNOWN}:
        return _by_words(kind, low)
    return kind


def _by_words(kind: AwsKind, low: str) -> AwsKind:
    if any(words in low for words in _EXPIRED_WORDS):
        return AwsKind.SESSION_ENDED
    if "kms" in low and ("access to kms" in low or "key" in low or "ciphertext" in low):
        return AwsKind.KEY
    return kind


@dataclass(frozen=True, slots=True)
class Denial:
    """The facts that the text of a refusal names: who, what, on what, and which kind of policy decided."""

    caller: str | None
    action: str | None
    resource: str | None
    policy: str | None
    """`service control policy`, `permissions boundary`, `resource-based policy`…; None where AWS does not say."""
    explicit: bool
    """A policy denies; otherwise none allows."""

    @property
    def account(self) -> str | None:
        """The caller's account."""
        found = re.search(r"::(\d{12}):", self.caller or "")
        return found[1] if found else None


_DENIAL = re.compile(
    r"(?:User: (?P<caller>\S+) )?is not authorized to perform: (?P<action>[\w:*-]+)"
    r"(?: on resource: \"?(?P<resource>[^\s\"]+)\"?)?"
)
_POLICY = re.compile(
    r"(?P<how>explicit deny in an?|because no|not allowed by the) (?P<policy>(?:[\w-]+ )*?(?:policy|boundary"
    r"|boundaries))"
)


def denial_of(message: str) -> Denial:
    """Read AWS's words about a refusal."""
    who = _DENIAL.search(message)
    policy = _POLICY.search(message)
    return Denial(
        who["caller"] if who else None,
        who["action"] if who else None,
        who["resource"] if who else None,
        policy["policy"].strip() if policy else None,
        "explicit deny" in message.lower(),
    )


class AwsError(Exception):
    """A call that did not succeed: AWS's own error code, or `NoCredentials`, or `Unreachable`, or the SDK's error."""

    def __init__(
        self,
        code: str,
        message: str,
        reach: Reach | None = None,
        headers: Mapping[str, str] | None = None,
        operation: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.reach = reach
        self.headers = dict(headers or {})
        self.operation = operation
        self.kind = kind_of(code, message, operation)

    @property
    def denial(self) -> Denial:
        """The principal, and the action that it may not do."""
        return denial_of(self.message)

    @property
    def is_denied(self) -> bool:
        """The caller is known and may not do this."""
        return self.kind is AwsKind.DENIED

    @property
    def is_bad_credentials(self) -> bool:
        """The caller's key, secret or session is refused."""
        return self.kind in {AwsKind.BAD_KEY, AwsKind.BAD_SECRET, AwsKind.SESSION_ENDED}

    @property
    def is_skewed(self) -> bool:
        """The signature's time is refused."""
        return self.kind is AwsKind.CLOCK

    @property
    def is_server_side(self) -> bool:
        """The service failed by itself."""
        return self.kind is AwsKind.SERVER

    @property
    def is_throttled(self) -> bool:
        """Too many calls, after the retries."""
        return self.kind is AwsKind.THROTTLED

    @property
    def is_absent(self) -> bool:
        """There is no such thing."""
        return self.kind is AwsKind.ABSENT
