"""Silence on the database's port: stopped, not public, security group, subnet, or a filter on the way out."""

from salambot_cli.aws.clients import AwsError
from salambot_cli.aws.databases import Database
from salambot_cli.aws.network import RouteIssue, Rule, find_route_issues, inbound_rules
from salambot_cli.doctor.cloud import account, call_aws_once, database_of, my_addresses
from salambot_cli.doctor.connection_findings import by_hosts_file
from salambot_cli.doctor.probe import Address, ProbeContext, fault, unknown
from salambot_cli.host.probe_tcp import ConnectResult
from salambot_cli.model.finding import Facts, Finding

CHECK = "rds.network"


async def explain_timeout(exam: ProbeContext, contact: ConnectResult) -> list[Finding]:
    """Name the cause; what AWS did not let us see is a finding of its own, never a pass."""
    finding = by_hosts_file(CHECK, contact, "POSTGRES_URL") or await _cause_of_silence(exam, contact)
    hidden = finding.evidence.get("not_seen") if finding.id == "rds.tcp-timeout" else None
    seen = [unknown(CHECK, f"The way to the database could not be seen: {hidden}", why=str(hidden))] if hidden else []
    return [finding, *seen]


async def _cause_of_silence(exam: ProbeContext, contact: ConnectResult) -> Finding:
    """Go down the ladder of causes; where AWS does not let us look, say so instead of guessing."""
    found = await database_of(exam, contact.host)
    if isinstance(found, AwsError):
        return _coarse(contact, f"rds:DescribeDBInstances: {found.code}")
    database, matched = found
    if database is None:
        return _coarse(contact, f"{matched}: no RDS instance of this account and region stands behind it")
    if database.status != "available":
        return stopped(database, contact, matched)
    if database.port != contact.port and matched == "endpoint":
        return _wrong_port(database, contact)
    if not database.public:
        return _not_public(exam, database, contact, matched)
    mine = await my_addresses(exam)
    family = 6 if contact.addresses and all(":" in a for a in contact.addresses) else 4
    mine = tuple(a for a in mine if a.version == family) or mine
    rules = await call_aws_once(exam, f"rules:{database.groups}", lambda aws: inbound_rules(aws, database.groups))
    if isinstance(rules, AwsError):
        return _coarse(contact, f"ec2:DescribeSecurityGroups: {rules.code}")
    blocked = _missing_rule(database, contact, rules, mine, matched)
    if blocked is not None:
        return blocked
    return await _beyond_the_group(exam, database, contact, mine, matched)


def _wrong_port(database: Database, contact: ConnectResult) -> Finding:
    evidence: Facts = {
        "instance": database.id,
        "host": contact.host,
        "port": contact.port,
        "endpoint_port": database.port,
        "variable": "POSTGRES_URL",
    }
    title = f"{database.id} listens on port {database.port}, and POSTGRES_URL names {contact.port}"
    text = (
        f"Write {contact.host}:{database.port} in POSTGRES_URL; a security group rule for {contact.port} changes "
        "nothing."
    )
    return fault("rds.wrong-port", CHECK, title, evidence, text=text)


_STARTABLE = frozenset({"stopped", "stopping"})
_ENDS_BY_ITSELF = (
    "starting",
    "rebooting",
    "backing-up",
    "modifying",
    "maintenance",
    "upgrading",
    "configuring",
    "creating",
    "renaming",
)


def stopped(database: Database, contact: ConnectResult, matched: str) -> Finding:
    """The instance is not available: each state has one way out."""
    evidence: Facts = {
        "instance": database.id,
        "status": database.status,
        "host": contact.host,
        "port": contact.port,
        "matched_by": matched,
    }
    flag = f"--db-instance-identifier {database.id}"
    wait = f"aws rds wait db-instance-available {flag}"
    commands: tuple[str, ...] = (wait,)
    text: str | None = f"The instance is {database.status}: wait until it is available."
    if database.status in _STARTABLE:
        commands, text = (f"aws rds start-db-instance {flag}", wait), None
    elif database.status == "storage-full":
        commands = (f"aws rds modify-db-instance {flag} --allocated-storage GIGABYTES --apply-immediately",)
        text = "The allocated storage is full: give it more (it cannot be given back), then delete what is not needed."
    elif not database.status.startswith(_ENDS_BY_ITSELF):
        commands = (
            f"aws rds describe-events --source-type db-instance --source-identifier {database.id} --duration 1440",
        )
        text = f"The state {database.status} does not end by itself: its events say why, and what AWS asks for."
    title = f"RDS instance {database.id} is {database.status}"
    safe = database.status in _STARTABLE or database.status.startswith(_ENDS_BY_ITSELF)
    return fault("rds.stopped", CHECK, title, evidence, commands, text=text, safe=safe)


def _not_public(exam: ProbeContext, database: Database, contact: ConnectResult, matched: str) -> Finding:
    evidence: Facts = {
        "instance": database.id,
        "publicly_accessible": False,
        "host": contact.host,
        "port": contact.port,
        "addresses": list(contact.addresses),
        "matched_by": matched,
    }
    jump = exam.environment.aws.jump or "INSTANCE-ID"
    title = f"RDS instance {database.id} is reached from inside its VPC only"
    return fault(
        "rds.not-public", CHECK, title, evidence, (forward(jump, database.host or contact.host, database.port),)
    )


def forward(jump: str, host: str, port: int) -> str:
    """Return the command that forwards a port of the VPC to this machine."""
    return (
        f"aws ssm start-session --target {jump} --document-name AWS-StartPortForwardingSessionToRemoteHost "
        f"--parameters host={host},portNumber={port},localPortNumber={port}"
    )


def _coarse(contact: ConnectResult, why: str) -> Finding:
    title = f"{contact.host}:{contact.port} does not answer, and AWS does not let us see why"
    evidence: Facts = {
        "host": contact.host,
        "port": contact.port,
        "addresses": list(contact.addresses),
        "not_seen": why,
    }
    commands = ("aws rds describe-db-instances", "aws sts get-caller-identity")
    return fault("rds.tcp-timeout", CHECK, title, evidence, commands)


def _missing_rule(
    database: Database, contact: ConnectResult, rules: tuple[Rule, ...], mine: tuple[Address, ...], matched: str
) -> Finding | None:
    if not mine:
        if any(rule.covers(contact.port) and "/" in rule.source for rule in rules):
            return _coarse(contact, "this machine's public address is not known: give it by --my-ip")
        return _sg_finding(database, contact, None, rules, "no-rule", matched)
    if any(rule.covers(contact.port) and rule.admits(address) for rule in rules for address in mine):
        return None
    near = [rule for rule in rules if any(rule.admits(address) for address in mine)]
    return _sg_finding(database, contact, mine[0], rules, "wrong-port" if near else "no-rule", matched)


def _sg_finding(
    database: Database, contact: ConnectResult, mine: Address | None, rules: tuple[Rule, ...], kind: str, matched: str
) -> Finding:
    group = database.groups[0] if database.groups else "SECURITY-GROUP"
    address = f"{mine}/{mine.max_prefixlen}" if mine else "MY-ADDRESS/32"
    flag = f"--protocol tcp --port {contact.port} --cidr {address}"
    if mine is not None and mine.version == 6:
        span = f"FromPort={contact.port},ToPort={contact.port}"
        flag = f"--ip-permissions 'IpProtocol=tcp,{span},Ipv6Ranges=[{{CidrIpv6={address}}}]'"
    evidence: Facts = {
        "instance": database.id,
        "group_id": group,
        "groups": list(database.groups),
        "host": contact.host,
        "port": contact.port,
        "my_ip": str(mine) if mine else None,
        "kind": kind,
        "rules": [f"{r.ports[0]}-{r.ports[1]} from {r.source}" for r in rules[:10]],
        "rules_seen": len(rules),
        "matched_by": matched,
    }
    title = f"No rule of {group} lets {mine or 'this machine'} in on port {contact.port}"
    command = f"aws ec2 authorize-security-group-ingress --group-id {group} {flag}"
    return fault("rds.sg-missing-my-ip", CHECK, title, evidence, (command,), safe=mine is not None)


async def _beyond_the_group(
    exam: ProbeContext, database: Database, contact: ConnectResult, mine: tuple[Address, ...], matched: str
) -> Finding:
    if not database.vpc or not database.subnets or not mine:
        return _egress(exam, database, contact, mine, matched)
    vpc = database.vpc
    gaps = await call_aws_once(
        exam, "path", lambda aws: find_route_issues(aws, vpc, database.subnets, mine[0], contact.port)
    )
    if isinstance(gaps, AwsError):
        return _coarse(contact, f"ec2:DescribeRouteTables or DescribeNetworkAcls: {gaps.code}")
    if gaps:
        return _gap_finding(database, contact, gaps[0], mine[0], matched)
    await account(exam)
    return _egress(exam, database, contact, mine, matched)


def _gap_finding(database: Database, contact: ConnectResult, gap: RouteIssue, mine: Address, matched: str) -> Finding:
    evidence: Facts = {
        "instance": database.id,
        "vpc": database.vpc,
        "subnet": gap.subnet,
        "kind": gap.kind,
        "resource": gap.id,
        "detail": gap.detail,
        "host": contact.host,
        "port": contact.port,
        "my_ip": str(mine),
        "matched_by": matched,
    }
    text: str | None = None
    if gap.kind == "route":
        gateway = gap.gateway or "INTERNET-GATEWAY"
        verb = "replace-route" if gap.taken_by else "create-route"
        command = f"aws ec2 {verb} --route-table-id {gap.id} --destination-cidr-block {gap.cidr} --gateway-id {gateway}"
        if gap.taken_by:
            text = (
                f"The default route leads to {gap.taken_by}, by which nothing comes in. Every host of this route table "
                f"would lose {gap.taken_by} by replacing it: put the database into a subnet with a table of its own "
                "first, "
                "or reach it by `[aws] jump`."
            )
    else:
        way, ports = ("--ingress", f"From={contact.port},To={contact.port}")
        if gap.kind == "acl-out":
            way, ports = ("--egress", "From=1024,To=65535")
        command = (
            f"aws ec2 replace-network-acl-entry --network-acl-id {gap.id} {way} --rule-number {gap.rule} "
            f"--protocol tcp --port-range {ports} --cidr-block {mine}/{mine.max_prefixlen} --rule-action allow"
        )
    return fault("rds.subnet-path", CHECK, f"Subnet {gap.subnet}: {gap.detail}", evidence, (command,), text=text)


def _egress(
    exam: ProbeContext, database: Database, contact: ConnectResult, mine: tuple[Address, ...], matched: str
) -> Finding:
    evidence: Facts = {
        "instance": database.id,
        "host": contact.host,
        "port": contact.port,
        "my_ip": str(mine[0]) if mine else None,
        "matched_by": matched,
        "not_seen": "the address that port 5432 leaves from may differ from the one HTTPS leaves from",
    }
    jump = exam.environment.aws.jump or "INSTANCE-ID"
    title = f"AWS would let this machine in, and {contact.host}:{contact.port} does not answer: the way out is filtered"
    return fault(
        "net.egress-blocked", CHECK, title, evidence, (forward(jump, database.host or contact.host, database.port),)
    )
