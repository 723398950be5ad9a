"""Which link of AWS's credential chain breaks, told from the profile and from what the SDK says; nobody is asked."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from salambot_cli.aws.clients import AwsError, AwsKind
from salambot_cli.aws.credential_chain import Profile, config_file
from salambot_cli.doctor.probe import fault
from salambot_cli.model.finding import Facts, Finding, Remedy

NONE, BAD = "aws.no-credentials", "aws.bad-credentials"


def explain(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    """Name the link and the command that repairs it."""
    about: Facts = {**evidence, "source": profile.kind, "file": str(config_file())}
    if failure.code == "MfaRequired":
        return _mfa(check, profile, about)
    if profile.broken:
        title = f"The AWS configuration cannot be read: {profile.broken}"
        text = f"Correct the file {config_file()}: the SDK reads nothing of it."
        return fault(NONE, check, title, {**about, "kind": "file"}, (f"cat -A {config_file()}",), text=text)
    if failure.kind is AwsKind.LINK:
        return _role(check, profile, failure, about)
    if not profile.exists and profile.name != "default":
        return _no_profile(check, profile, about)
    explained = {"process": _process, "sso": _login, "login": _login, "role": _source, "web identity": _web}
    found = explained.get(profile.kind)
    return found(check, profile, failure, about) if found else _nothing(check, profile, failure, about)


def _nothing(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    if "partial" in failure.message.lower():
        title = f"Half of the AWS credentials is missing: {failure.message[:160]}"
        text = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY together, in one place."
        return fault(NONE, check, title, {**evidence, "kind": "partial"}, ("aws configure list",), text=text)
    named = "" if profile.name == "default" else f" (profile {profile.name})"
    login = "aws configure sso" if profile.name == "default" else f"aws configure sso --profile {profile.name}"
    return fault(NONE, check, f"No AWS credentials are found{named}", evidence, (login,))


def _no_profile(check: str, profile: Profile, evidence: Facts) -> Finding:
    near = get_close_matches(profile.name, profile.names, 1)
    text = f"There are {', '.join(profile.names) or 'no profiles'}." + (f" Did you mean {near[0]}?" if near else "")
    commands = (f"aws configure sso --profile {profile.name}",)
    title = f"No AWS credentials are found (profile {profile.name}): there is no such profile"
    return fault(NONE, check, title, {**evidence, "kind": "profile"}, commands, text=text)


def _process(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    program = profile.program or ""
    title = f"The program {program} of credential_process in profile {profile.name} gives no credentials"
    text = (
        f"AWS says: {failure.message[:160]}. Install or repair {program}, or take credential_process out of "
        f"{config_file()}. Run the program by itself to see what it says."
    )
    about: Facts = {**evidence, "kind": "process", "program": program}
    return fault(NONE, check, title, about, (profile.settings.get("credential_process", program),), text=text)


def _login(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    """Without a token and with one that has ended, the same command helps."""
    if (
        "inconsistent" in failure.message
        or "missing required" in failure.message
        or "does not exist" in failure.message
    ):
        title = f"The SSO settings of profile {profile.name} do not fit together: {failure.message[:160]}"
        return fault(NONE, check, title, {**evidence, "kind": "sso-settings"}, _sign_up(profile))
    title = f"The SSO session of profile {profile.name} has ended, or was never begun"
    text = f"Sign in again. AWS says: {failure.message[:160]}"
    return fault(
        BAD, check, title, {**evidence, "kind": "sso"}, (f"aws sso login --profile {profile.name}",), text=text
    )


def _sign_up(profile: Profile) -> tuple[str, ...]:
    return (f"aws configure sso --profile {profile.name}",)


def _mfa(check: str, profile: Profile, evidence: Facts) -> Finding:
    serial, role = profile.settings.get("mfa_serial", "a device"), profile.settings.get("role_arn", "its role")
    title = f"Profile {profile.name} asks for an MFA code before it may assume {role}"
    text = (
        f"Give the code of {serial} to the aws command, which keeps the session for about an hour; it is read from "
        "there. Nothing here asks for codes."
    )
    about: Facts = {**evidence, "kind": "mfa", "mfa_serial": serial, "role": role}
    return fault(NONE, check, title, about, (f"aws sts get-caller-identity --profile {profile.name}",), text=text)


def _role(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    if profile.kind == "sso" or failure.operation in {"GetRoleCredentials", "CreateToken"}:
        return _login_refused(check, profile, failure, evidence)
    role = profile.settings.get("role_arn") or failure.denial.resource or "the role"
    source = profile.settings.get("source_profile") or profile.settings.get("credential_source") or "the source"
    title = f"AWS refuses to let {failure.denial.caller or source} assume {role}: {failure.code}"
    text = (
        "The role's trust policy has to name this caller, and the caller's own policy has to allow sts:AssumeRole "
        "on it "
        f"(an external id or MFA may be required too). Profile {profile.name} takes its keys from {source}."
    )
    if failure.kind is AwsKind.LINK and failure.code in {
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
    }:
        text = f"The keys of {source}, with which {role} is assumed, are refused: renew them."
    about: Facts = {**evidence, "kind": "role", "role": role, "source_profile": source}
    flag = f" --profile {source}" if profile.settings.get("source_profile") else ""
    name = role.rpartition("/")[2]
    commands = (
        f"aws sts get-caller-identity{flag}",
        f"aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument",
    )
    return fault(BAD, check, title, about, commands, text=text)


def _login_refused(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    account, role = (profile.settings.get(key, "?") for key in ("sso_account_id", "sso_role_name"))
    title = f"AWS SSO gives profile {profile.name} no credentials for {role} in account {account}: {failure.code}"
    text = (
        "Sign in again; if that does not help, the permission set is not assigned to you in this account: ask its "
        "administrator."
    )
    about: Facts = {**evidence, "kind": "sso", "account": account, "role": role}
    return fault(BAD, check, title, about, (f"aws sso login --profile {profile.name}",), text=text)


def _source(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    source = profile.settings.get("source_profile") or profile.settings.get("credential_source") or "nothing"
    title = f"Profile {profile.name} takes its keys from {source}, which gives none: {failure.message[:160]}"
    text = (
        f"Correct source_profile (or credential_source) of profile {profile.name} in {config_file()}, or sign in "
        f"to {source}."
    )
    return fault(
        NONE, check, title, {**evidence, "kind": "source"}, (f"aws configure list --profile {source}",), text=text
    )


def _web(check: str, profile: Profile, failure: AwsError, evidence: Facts) -> Finding:
    file = profile.settings.get("web_identity_token_file", "the token file")
    title = f"The web identity token of profile {profile.name} cannot be used: {failure.message[:160]}"
    return fault(NONE, check, title, {**evidence, "kind": "web-identity"}, (f"ls -l {file}",), text=f"Renew {file}.")


def overridden(finding: Finding, profile: Profile, variable: str | None, layer: str, url: str) -> Finding:
    """Say where the endpoint of a finding comes from: an override that is left over is the usual cause."""
    where = f"{variable} ({layer})" if variable else f"endpoint_url of profile {profile.name} in {config_file()}"
    text = f"{where} sends AWS calls to {url}, where nothing serves them: take it out to use AWS itself."
    commands: Sequence[str] = () if variable else (f"aws configure get endpoint_url --profile {profile.name}",)
    evidence: Facts = {**finding.evidence, "endpoint": url, "endpoint_from": where}
    safe = finding.remedy.commands if finding.remedy else ()
    return replace(
        finding, title=f"{finding.title}, by {where}", evidence=evidence, remedy=Remedy(text, (*commands, *safe))
    )
