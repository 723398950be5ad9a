"""Security posture of an account: trails, and the caller's own keys and policies."""

from dataclasses import dataclass
from datetime import UTC, datetime

from salambot_cli.aws.clients import Aws, translate_errors


@dataclass(frozen=True, slots=True)
class Trail:
    """One CloudTrail trail."""

    name: str
    logging: bool


def trails(aws: Aws) -> tuple[Trail, ...]:
    """Describe the trails that see this region.

    Raises:
        AwsError: they may not be described.
    """
    with translate_errors():
        found = aws.cloudtrail.describe_trails()["trailList"]
        names = [(t.get("Name", ""), t.get("TrailARN") or t.get("Name", "")) for t in found]
        return tuple(Trail(name, bool(aws.cloudtrail.get_trail_status(Name=arn)["IsLogging"])) for name, arn in names)


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller's long-lived side."""

    arn: str
    key_ages_days: tuple[tuple[str, int], ...]
    """Access keys that are active: id and age."""
    allows_everything: tuple[str, ...]
    """Names of the policies with Action * on Resource *."""

    @property
    def is_root(self) -> bool:
        """The account's root user."""
        return self.arn.endswith(":root")


def caller(aws: Aws) -> Caller:
    """Look at the caller's own keys and policies.

    Raises:
        AwsError: they may not be looked at.
    """
    with translate_errors():
        arn = aws.sts.get_caller_identity()["Arn"]
        if ":user/" not in arn:
            return Caller(arn, (), ())
        user = arn.rsplit("/", 1)[-1]
        keys = aws.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        now = datetime.now(UTC)
        ages = [
            (k.get("AccessKeyId", ""), (now - k["CreateDate"]).days)
            for k in keys
            if k.get("Status") == "Active" and "CreateDate" in k
        ]
        return Caller(arn, tuple(ages), _wide_policies(aws, user))


def _wide_policies(aws: Aws, user: str) -> tuple[str, ...]:
    attached = aws.iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
    wide = [p.get("PolicyName", "") for p in attached if p.get("PolicyName") == "AdministratorAccess"]
    for name in aws.iam.list_user_policies(UserName=user)["PolicyNames"]:
        document: object = aws.iam.get_user_policy(UserName=user, PolicyName=name)["PolicyDocument"]
        if _is_wide(document):
            wide.append(name)
    return tuple(wide)


def _is_wide(document: object) -> bool:
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    listed = statements if isinstance(statements, list) else [statements]
    return any(
        isinstance(s, dict)
        and s.get("Effect") == "Allow"
        and s.get("Action") in ("*", ["*"])
        and s.get("Resource") in ("*", ["*"])
        for s in listed
    )
