"""aws.*: are there credentials, and does STS take them?"""

from urllib.request import getproxies

from salambot_cli.doctor.cloud import account, ask, touches_aws, uses_aws
from salambot_cli.doctor.needs import needs_variables
from salambot_cli.doctor.probe import Examination, Probe, fault, fine, unseen
from salambot_cli.doctor.wire import silent, unreachable, untrusted
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.outside.aws import NO_CREDENTIALS, UNREACHABLE, Aws, AwsFailure, translated
from salambot_cli.outside.http import host_and_port
from salambot_cli.outside.network import Contact, Reach
from salambot_cli.outside.tls import Handshake

CHECK, JUMP = "aws.credentials", "aws.jump"


def who(aws: Aws) -> str:
    """Return the caller's ARN."""
    with translated():
        return aws.sts.get_caller_identity()["Arn"]


async def check_credentials(exam: Examination) -> Finding:
    """Who are we to AWS?"""
    answer = await ask(exam, "identity", who)
    if not isinstance(answer, AwsFailure):
        return fine(CHECK, "AWS knows this caller", arn=answer)
    if not uses_aws(exam.environment):
        # Databases in AWS are reached without AWS credentials: these only refine what silence means.
        return unseen(
            CHECK, "AWS could not be asked: causes inside AWS stay unseen", why=answer.code, detail=answer.message[:200]
        )
    return await refused(exam, CHECK, "sts", answer)


async def refused(exam: Examination, check: str, service: str, failure: AwsFailure) -> Finding:
    """Name what stands between us and AWS: no credentials, bad ones, the clock, or the wire."""
    profile = exam.environment.aws.profile or exam.value("AWS_PROFILE")
    evidence: Facts = {"code": failure.code, "message": failure.message[:300], "profile": profile, "service": service}
    if failure.code == NO_CREDENTIALS:
        title = "No AWS credentials are found" if not profile else f"No AWS credentials are found (profile {profile})"
        login = f"aws configure sso --profile {profile}" if profile else "aws configure sso"
        return fault("aws.no-credentials", check, title, evidence, (login,))
    if failure.is_skewed:
        title = "AWS refuses the time in the signature: this clock is wrong"
        return fault("host.clock-skew", check, title, evidence, ("sudo timedatectl set-ntp true",))
    if failure.is_bad_credentials:
        return _bad(check, failure, evidence, profile)
    if failure.code == UNREACHABLE:
        return await aws_unreachable(exam, check, service, failure)
    if failure.is_denied and service == "sts":
        return fine(check, "AWS knows this caller, who may not ask who it is", code=failure.code)
    return unseen(check, f"AWS answers {failure.code}", **{k: str(v) for k, v in evidence.items()})


def _bad(check: str, failure: AwsFailure, evidence: Facts, profile: str | None) -> Finding:
    flag = f" --profile {profile}" if profile else ""
    if "Expired" in failure.code:
        kind, commands = "session", (f"aws sso login{flag}",)
        text = "The session has ended: sign in again."
    elif failure.code == "SignatureDoesNotMatch":
        kind, commands = "secret", ("aws iam create-access-key",)
        text = "The secret key does not belong to this key id (the clock is right): store the right one or a new one."
    else:
        kind, commands = "key", ("aws iam create-access-key",)
        text = "AWS does not know this access key: deleted, inactive, or of another partition. Make a new one."
    title = f"AWS refuses the credentials: {failure.code}"
    return fault("aws.bad-credentials", check, title, {**evidence, "kind": kind}, commands, text=text)


async def aws_unreachable(exam: Examination, check: str, service: str, failure: AwsFailure) -> Finding:
    """Say how the way to an AWS endpoint is broken."""
    aws = await account(exam)
    url = aws.endpoint(service) or f"https://{service.replace('_', '')}.{aws.region or 'us-east-1'}.amazonaws.com"
    variable = "AWS_ENDPOINT_URL" if aws.endpoint(service) else f"the AWS endpoint of {service}"
    host, port = host_and_port(url)
    proxied = "proxy" in failure.message.lower()
    if proxied:
        # botocore sends even loopback endpoints by way of the proxy.
        host, port = host_and_port(getproxies().get(url.split(":")[0]) or url)
    contact = Contact(failure.reach or Reach.SILENT, host, port, detail=failure.message[:200], proxy=proxied)
    if contact.reach is Reach.UNTRUSTED:
        return untrusted(check, Handshake(contact), variable, aws.ca_bundle)
    return unreachable(check, contact, variable) or silent(check, contact, variable)


def _instance_state(aws: Aws, instance: str) -> str | None:
    with translated():
        pages = aws.ec2.get_paginator("describe_instances").paginate(InstanceIds=[instance])
        states = [i.get("State", {}).get("Name") for p in pages for r in p["Reservations"] for i in r["Instances"]]
    return states[0] if states else None


async def check_jump(exam: Examination) -> Finding:
    """Does the instance run that leads into the VPC?"""
    instance = exam.environment.aws.jump or ""
    state = await ask(exam, "jump", lambda aws: _instance_state(aws, instance))
    if isinstance(state, AwsFailure) and not state.code.startswith("InvalidInstanceID"):
        return unseen(
            JUMP, f"The state of {instance} could not be seen", why=state.code, action="ec2:DescribeInstances"
        )
    if state == "running":
        return fine(JUMP, f"The instance {instance} runs")
    shown = "missing" if isinstance(state, AwsFailure) or state is None else state
    evidence: Facts = {"instance": instance, "state": shown, "region": exam.value("AWS_REGION")}
    start = (f"aws ec2 start-instances --instance-ids {instance}",) if shown == "stopped" else ()
    return fault("aws.jump-down", JUMP, f"The jump instance {instance} is {shown}", evidence, start, safe=True)


def _jumps(environment: Environment) -> bool:
    return environment.aws.jump is not None


PROBES = (
    Probe(
        JUMP,
        "aws",
        "The way into the VPC",
        check_jump,
        ("aws.jump-down",),
        ("aws.credentials", "local.tools"),
        _jumps,
        preflight=True,
        parts=("postgres", "redis"),
    ),
    Probe(
        CHECK,
        "aws",
        "AWS credentials",
        check_credentials,
        ("aws.no-credentials", "aws.bad-credentials"),
        needs_variables("AWS_REGION", also=("host.clock",), source="local.env"),
        touches_aws,
        preflight=True,
        parts=("objects", "secrets"),
    ),
)
