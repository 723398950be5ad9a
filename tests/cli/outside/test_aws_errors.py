"""Every refusal has one kind; what AWS says about whom is read; the chain of credentials asks nobody and ends."""

import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.aws.clients import Aws, AwsError, AwsKind, translate_errors
from salambot_cli.aws.errors import denial_of, kind_of
from salambot_cli.aws.session import BoundedPopen, ProgramHangsError


@pytest.mark.parametrize(
    ("code", "message", "operation", "kind"),
    [
        ("InvalidClientTokenId", "", "", AwsKind.BAD_KEY),
        ("SignatureDoesNotMatch", "", "", AwsKind.BAD_SECRET),
        ("SignatureDoesNotMatch", "Signature expired: 20261130T is now earlier than 20261130T", "", AwsKind.CLOCK),
        ("InvalidSignatureException", "Signature not yet current", "", AwsKind.CLOCK),
        ("RequestTimeTooSkewed", "", "", AwsKind.CLOCK),
        ("ExpiredToken", "", "", AwsKind.SESSION_ENDED),
        ("ExpiredTokenException", "", "", AwsKind.SESSION_ENDED),
        ("UnrecognizedClientException", "", "", AwsKind.BAD_KEY),
        ("AccessDenied", "", "AssumeRole", AwsKind.LINK),
        ("UnauthorizedException", "", "GetRoleCredentials", AwsKind.LINK),
        ("AccessDeniedException", "Access to KMS is not allowed", "GetSecretValue", AwsKind.KEY),
        ("KMS.KMSInvalidStateException", "key is pending deletion", "", AwsKind.KEY),
        ("KMS.DisabledException", "", "", AwsKind.KEY),
        ("DecryptionFailure", "", "", AwsKind.KEY),
        ("AccessDenied", "no identity-based policy allows", "", AwsKind.DENIED),
        ("UnauthorizedOperation", "", "", AwsKind.DENIED),
        ("403", "Forbidden", "HeadBucket", AwsKind.DENIED),
        ("PermanentRedirect", "", "", AwsKind.REGION),
        ("AuthorizationHeaderMalformed", "the region is wrong", "", AwsKind.REGION),
        ("OptInRequired", "", "", AwsKind.ACCOUNT),
        ("SlowDown", "", "", AwsKind.THROTTLED),
        ("ThrottlingException", "", "", AwsKind.THROTTLED),
        ("ProvisionedThroughputExceededException", "", "", AwsKind.THROTTLED),
        ("NoSuchBucket", "", "", AwsKind.ABSENT),
        ("DBInstanceNotFoundFault", "", "", AwsKind.ABSENT),
        ("InvalidInstanceID.NotFound", "", "", AwsKind.ABSENT),
        ("ResourceNotFoundException", "", "", AwsKind.ABSENT),
        ("InternalServiceError", "", "", AwsKind.SERVER),
        ("503", "", "", AwsKind.SERVER),
        ("InvalidDBInstanceState", "", "", AwsKind.STATE),
        ("ValidationException", "", "", AwsKind.INVALID),
        ("SomethingQuiteNew", "", "", AwsKind.UNKNOWN),
    ],
)
def test_a_refusal_has_one_kind(code: str, message: str, operation: str, kind: AwsKind) -> None:
    assert kind_of(code, message, operation) is kind


@given(st.text(max_size=60), st.text(max_size=200), st.text(max_size=20))
def test_any_code_has_a_kind(code: str, message: str, operation: str) -> None:
    assert AwsError(code, message, operation=operation).kind in AwsKind


@pytest.mark.parametrize(
    ("ending", "policy", "explicit"),
    [
        ("with an explicit deny in a service control policy", "service control policy", True),
        ("with an explicit deny in a resource-based policy", "resource-based policy", True),
        ("because no identity-based policy allows the s3:GetObject action", "identity-based policy", False),
        ("because no permissions boundary allows the s3:GetObject action", "permissions boundary", False),
        ("with an explicit deny in a VPC endpoint policy", "VPC endpoint policy", True),
        ("", None, False),
    ],
)
def test_the_words_of_a_denial_are_read(ending: str, policy: str | None, explicit: bool) -> None:
    who, what = "arn:aws:iam::222222222222:user/dev", "arn:aws:s3:::kb/demo/faq.md"
    denial = denial_of(f'User: {who} is not authorized to perform: s3:GetObject on resource: "{what}" {ending}')

    assert (denial.caller, denial.action, denial.resource) == (who, "s3:GetObject", what)
    assert (denial.policy, denial.explicit, denial.account) == (policy, explicit, "222222222222")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for the SDK's files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".aws").mkdir()
    return tmp_path


def failure(home: Path, config: str, profile: str = "dev") -> AwsError:
    (home / ".aws" / "config").write_text(config)
    with pytest.raises(AwsError) as caught:
        Aws("eu-west-1", profile, {}).credentials()
    return caught.value


def test_nobody_is_asked_for_a_code(home: Path) -> None:
    keys = "[profile base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"
    role = "role_arn = arn:aws:iam::123456789012:role/dev\nsource_profile = base\nmfa_serial = arn:aws:iam::1:mfa/me"

    assert failure(home, f"{keys}[profile dev]\n{role}\n").code == "MfaRequired"


def test_a_program_that_is_not_there_is_no_credentials(home: Path) -> None:
    found = failure(home, "[profile dev]\ncredential_process = /opt/corp/none --role dev\n")

    assert found.kind is AwsKind.NO_CREDENTIALS
    assert "/opt/corp/none" in found.message


def test_a_program_that_hangs_is_ended_with_what_it_started() -> None:
    program = BoundedPopen(["sh", "-c", "sleep 60 & sleep 60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    with pytest.raises(ProgramHangsError, match=r"within 0\.3 s"):
        program.communicate(timeout=0.3)

    assert program.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "config",
    [
        "[profile dev\n",
        "[profile dev]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = nobody\n",
        "[profile dev]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = dev\n",
        "[profile dev]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = r\n",
        "[profile dev]\ncredential_process = false\n",
        "[profile dev]\ncredential_process = echo nonsense\n",
        "[profile other]\nregion = eu-west-1\n",
    ],
)
def test_every_broken_chain_is_a_failure_of_the_credentials(home: Path, config: str) -> None:
    assert failure(home, config).kind in {AwsKind.NO_CREDENTIALS, AwsKind.LINK}


@pytest.mark.parametrize("broken", [KeyError("ResponseMetadata"), TypeError("no tree"), AttributeError("find")])
def test_an_answer_that_the_sdk_cannot_read_is_a_refusal(broken: Exception) -> None:
    with pytest.raises(AwsError, match="is not AWS") as caught, translate_errors():
        raise broken

    assert caught.value.code == "UnreadableResponse"
