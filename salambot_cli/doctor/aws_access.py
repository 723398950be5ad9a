"""aws.*: are there credentials, and does STS take them? Which link of the chain breaks, where one does."""

from salambot_cli.aws.clients import Aws, AwsError, AwsKind, translate_errors
from salambot_cli.doctor import links
from salambot_cli.doctor.cloud import account, call_aws_once, touches_aws, uses_aws
from salambot_cli.doctor.connection_findings import certificate_finding, connection_finding, filtered_finding
from salambot_cli.doctor.paths import AWS_VARIABLES, explain_path, path_of
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok, unknown
from salambot_cli.host.probe_http import host_and_port
from salambot_cli.host.probe_tcp import ConnectResult, Reach
from salambot_cli.host.tls import Handshake
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding

CHECK, JUMP = "aws.credentials", "aws.jump"


def caller_arn(aws: Aws) -> str:
    """Return the caller's ARN."""
    with translate_errors():
        return aws.sts.get_caller_identity()["Arn"]


async def check_credentials(exam: ProbeContext) -> Finding:
    """Find the identity that AWS sees."""
    answer = await call_aws_once(exam, "identity", caller_arn)
    if not isinstance(answer, AwsError):
        return ok(CHECK, "AWS knows this caller", arn=answer)
    if not uses_aws(exam.environment):
        # Databases in AWS are reached without AWS credentials: these only refine what silence means.
        title = "AWS could not be asked: causes inside AWS stay unseen"
        return unknown(CHECK, title, why=answer.code, detail=answer.message[:200])
    return await refused(exam, CHECK, "sts", answer)


async def refused(exam: ProbeContext, check: str, service: str, failure: AwsError) -> Finding:
    """Name what stands between us and AWS: no credentials, bad ones, the clock, the wire, AWS itself."""
    aws = await account(exam)
    evidence: Facts = {
        "code": failure.code,
        "message": failure.message[:300],
        "kind": str(failure.kind),
        "service": service,
        "profile": None if aws.has_own_keys else aws.profile.name,
        "keys_from": exam.layer("AWS_ACCESS_KEY_ID") if aws.has_own_keys else None,
    }
    match failure.kind:
        case AwsKind.NO_CREDENTIALS | AwsKind.LINK:
            return links.explain(check, aws.profile, failure, evidence)
        case AwsKind.CLOCK:
            title = "AWS refuses the time in the signature: this clock is wrong"
            return fault("host.clock-skew", check, title, evidence, ("sudo timedatectl set-ntp true",))
        case AwsKind.BAD_KEY | AwsKind.BAD_SECRET | AwsKind.SESSION_ENDED:
            return _bad(check, failure, evidence, aws, exam.layer("AWS_ACCESS_KEY_ID"))
        case AwsKind.UNREACHABLE:
            return await aws_unreachable(exam, check, service, failure)
        case AwsKind.DENIED if service == "sts":
            return ok(check, "AWS knows this caller, who may not ask who it is", code=failure.code)
        case _:
            return _unavailable(check, service, failure, evidence)


def _bad(check: str, failure: AwsError, evidence: Facts, aws: Aws, layer: str) -> Finding:
    flag = "" if aws.has_own_keys else f" --profile {aws.profile.name}"
    place = f" The key stands in {layer} and wins against every profile." if aws.has_own_keys else ""
    if failure.kind is AwsKind.SESSION_ENDED:
        renewed = aws.profile.kind in {"sso", "role", "login"} and not aws.has_own_keys
        commands = (f"aws sso login{flag}",) if renewed or not aws.has_own_keys else ("aws sts get-session-token",)
        text = f"The session has ended: sign in again.{place}"
    elif failure.kind is AwsKind.BAD_SECRET:
        commands = ("aws iam create-access-key",)
        text = (
            "The secret key does not belong to this key id (the clock is right): store the right one or a new "
            f"one.{place}"
        )
    else:
        commands = ("aws iam create-access-key",)
        text = f"AWS does not know this access key: deleted, inactive, or of another partition. Make a new one.{place}"
    title = f"AWS refuses the credentials: {failure.code}" + (f" (AWS_ACCESS_KEY_ID from {layer})" if place else "")
    return fault("aws.bad-credentials", check, title, evidence, commands, text=text)


def _unavailable(check: str, service: str, failure: AwsError, evidence: Facts) -> Finding:
    title = f"AWS {service.replace('_', ' ')} does not serve this caller: {failure.code}"
    text = {
        AwsKind.THROTTLED: "AWS limits the rate of these calls: wait, and find out what else of this account makes "
        "them.",
        AwsKind.SERVER: "AWS fails by itself: wait, and look at https://health.aws.amazon.com/health/status.",
        AwsKind.ACCOUNT: "The account is not ready for this service: sign in as its owner and complete it, or ask AWS.",
        AwsKind.REGION: "The region is wrong for this call, or not enabled in this account: correct AWS_REGION.",
    }.get(failure.kind, f"AWS's own words say what is wrong; the code is {failure.code}.")
    return fault("aws.unavailable", check, title, evidence, ("aws sts get-caller-identity",), text=text)


async def aws_unreachable(exam: ProbeContext, check: str, service: str, failure: AwsError) -> Finding:
    """Say how the way to an AWS endpoint is broken."""
    aws = await account(exam)
    variable = aws.endpoint_variable(service)
    name = variable or (f"endpoint_url of profile {aws.profile.name}" if aws.profile.endpoint(service) else None)
    shown = name or f"the AWS endpoint of {service}"
    url = aws.url(service)
    found = explain_path(check, await path_of(exam, url, ca=aws.ca_bundle), shown, aws.ca_bundle)
    if found is None:
        host, port = host_and_port(url)
        contact = ConnectResult(failure.reach or Reach.SILENT, host, port, detail=failure.message[:200])
        if contact.reach is Reach.UNTRUSTED:
            return certificate_finding(check, Handshake(contact), shown, aws.ca_bundle)
        found = connection_finding(check, contact, shown) or filtered_finding(check, contact, shown)
    return links.overridden(found, aws.profile, variable, exam.layer(variable or ""), url) if name else found


def _instance_state(aws: Aws, instance: str) -> str | None:
    with translate_errors():
        pages = aws.ec2.get_paginator("describe_instances").paginate(InstanceIds=[instance])
        states = [i.get("State", {}).get("Name") for p in pages for r in p["Reservations"] for i in r["Instances"]]
    return next((str(state) for state in states), None)


async def check_jump(exam: ProbeContext) -> Finding:
    """Does the instance run that leads into the VPC?"""
    instance = exam.environment.aws.jump or ""
    state = await call_aws_once(exam, "jump", lambda aws: _instance_state(aws, instance))
    if isinstance(state, AwsError) and not state.is_absent:
        return unknown(
            JUMP, f"The state of {instance} could not be seen", why=state.code, action="ec2:DescribeInstances"
        )
    if state == "running":
        return ok(JUMP, f"The instance {instance} runs")
    shown = "missing" if isinstance(state, AwsError) or state is None else state
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
        (CHECK, "local.tools"),
        _jumps,
        preflight=True,
        parts=("postgres", "redis"),
        reads=("AWS_REGION",),
    ),
    Probe(
        CHECK,
        "aws",
        "AWS credentials",
        check_credentials,
        ("aws.no-credentials", "aws.bad-credentials", "aws.unavailable"),
        (),
        touches_aws,
        preflight=True,
        seconds=20,
        parts=("objects", "secrets"),
        reads=AWS_VARIABLES,
        after=("host.clock", "net.path"),
    ),
)
