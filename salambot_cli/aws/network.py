"""The network path into a VPC: what security groups, routes and ACLs do with an address."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salambot_cli.aws.clients import Aws, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef, NetworkAclEntryTypeDef, RouteTableTypeDef

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TCP = ("-1", "6", "tcp")
_EPHEMERAL = (1024, 65535)


@dataclass(frozen=True, slots=True)
class Rule:
    """One source of one inbound rule. `source` is a CIDR, or a group's id where it names no addresses."""

    group: str
    ports: tuple[int, int]
    source: str
    prefix_list: str | None = None

    def covers(self, port: int) -> bool:
        """Return whether the rule speaks of this TCP port."""
        return self.ports[0] <= port <= self.ports[1]

    def admits(self, address: Address) -> bool:
        """Return whether the rule's source contains this address."""
        try:
            network = ipaddress.ip_network(self.source, strict=False)
        except ValueError:
            return False
        return network.version == address.version and address in network

    @property
    def is_world(self) -> bool:
        """Everybody: 0.0.0.0/0, ::/0, or anything as wide as a quarter of the internet."""
        try:
            return ipaddress.ip_network(self.source, strict=False).prefixlen <= 2  # a /0 in pieces
        except ValueError:
            return False


def inbound_rules(aws: Aws, groups: Sequence[str]) -> tuple[Rule, ...]:
    """Read the inbound TCP rules of groups, prefix lists written out, page by page."""
    if not groups:
        return ()
    with translate_errors():
        pages = aws.ec2.get_paginator("describe_security_groups").paginate(GroupIds=list(groups))
        found = [
            (group["GroupId"], p)
            for page in pages
            for group in page["SecurityGroups"]
            for p in group.get("IpPermissions", [])
        ]
    lists: dict[str, tuple[str, ...]] = {}
    return tuple(rule for group, permission in found for rule in _rules(aws, group, permission, lists))


def _rules(
    aws: Aws, group: str, permission: "IpPermissionOutputTypeDef", lists: dict[str, tuple[str, ...]]
) -> Iterable[Rule]:
    protocol = permission.get("IpProtocol", "-1")
    if protocol not in _TCP:
        return
    ports = (0, 65535) if protocol == "-1" else (permission.get("FromPort", 0), permission.get("ToPort", 65535))
    ports = (0, 65535) if ports == (-1, -1) else ports
    for v4 in permission.get("IpRanges", []):
        yield Rule(group, ports, v4.get("CidrIp", ""))
    for v6 in permission.get("Ipv6Ranges", []):
        yield Rule(group, ports, v6.get("CidrIpv6", ""))
    for listed in permission.get("PrefixListIds", []):
        name = listed.get("PrefixListId", "")
        if name not in lists:
            lists[name] = prefix_list(aws, name)
        for cidr in lists[name]:
            yield Rule(group, ports, cidr, name)
    for pair in permission.get("UserIdGroupPairs", []):
        yield Rule(group, ports, pair.get("GroupId", ""))


def prefix_list(aws: Aws, name: str) -> tuple[str, ...]:
    """Return the CIDRs of a managed prefix list, page by page."""
    with translate_errors():
        pages = aws.ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=name)
        return tuple(entry.get("Cidr", "") for page in pages for entry in page["Entries"])


@dataclass(frozen=True, slots=True)
class RouteIssue:
    """A fault in the route into a subnet."""

    kind: str
    """`route`, `acl-in` or `acl-out`."""
    subnet: str
    id: str
    detail: str
    rule: int | None = None
    gateway: str | None = None
    cidr: str = "0.0.0.0/0"
    """The destination of the route."""
    taken_by: str | None = None
    """The target that the route leads to now, which lets nothing in."""


def find_route_issues(
    aws: Aws, vpc: str, subnets: Sequence[str], address: Address, port: int
) -> tuple[RouteIssue, ...]:
    """Follow an address from the internet to a port in each subnet, and back to its ephemeral ports."""
    with translate_errors():
        tables = [
            table
            for page in aws.ec2.get_paginator("describe_route_tables").paginate(
                Filters=[{"Name": "vpc-id", "Values": [vpc]}]
            )
            for table in page["RouteTables"]
        ]
        acls = [
            acl
            for page in aws.ec2.get_paginator("describe_network_acls").paginate(
                Filters=[{"Name": "vpc-id", "Values": [vpc]}]
            )
            for acl in page["NetworkAcls"]
        ]
        gateways = aws.ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])
    gateway = next((g["InternetGatewayId"] for g in gateways["InternetGateways"]), None)
    gaps: list[RouteIssue] = []
    for subnet in subnets:
        route = _route_gap(subnet, tables, address, gateway)
        if route is not None:
            gaps.append(route)
        chosen = next((a for a in acls if any(s.get("SubnetId") == subnet for s in a.get("Associations", []))), None)
        chosen = chosen or next((acl for acl in acls if acl.get("IsDefault")), None)
        if chosen is not None:
            entries = chosen.get("Entries", [])
            gaps += _acl_gaps(subnet, chosen.get("NetworkAclId", ""), entries, address, port)
    return tuple(gaps)


def _route_gap(
    subnet: str, tables: "Sequence[RouteTableTypeDef]", address: Address, gateway: str | None
) -> RouteIssue | None:
    own = [t for t in tables if any(a.get("SubnetId") == subnet for a in t.get("Associations", []))]
    table = next(iter(own), None) or next(
        (t for t in tables if any(a.get("Main") for a in t.get("Associations", []))), None
    )
    if table is None:
        return None
    best: tuple[int, str, str] = (-1, "", "")
    for route in table.get("Routes", []):
        cidr = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock") or ""
        if not _contains(cidr, address):
            continue
        target = next((str(route[key]) for key in _TARGETS if route.get(key)), "")  # type: ignore[literal-required]
        length = ipaddress.ip_network(cidr, strict=False).prefixlen
        if length > best[0]:
            best = (length, target, str(route.get("State", "active")))
    if best[1].startswith(("igw-", "vgw-", "tgw-", "pcx-")) and best[2] != "blackhole":
        return None
    everywhere = "::/0" if address.version == 6 else "0.0.0.0/0"
    taken = best[1] if best[1] and best[1] != "local" else None
    detail = f"no route from the subnet back to {address}"
    if best[2] == "blackhole":
        detail = f"the route back to {address} leads to {taken}, which is gone (blackhole)"
    elif taken:
        detail = f"the route back to {address} leads to {taken}, and not to an internet gateway"
    return RouteIssue(
        "route", subnet, table.get("RouteTableId", ""), detail, gateway=gateway, cidr=everywhere, taken_by=taken
    )


_TARGETS = (
    "GatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "LocalGatewayId",
    "CarrierGatewayId",
)
"""Where a route can lead."""


def _contains(cidr: str, address: Address) -> bool:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False
    return network.version == address.version and address in network


def _acl_gaps(
    subnet: str, acl: str, entries: "Sequence[NetworkAclEntryTypeDef]", address: Address, port: int
) -> Iterable[RouteIssue]:
    for egress, ports, kind in ((False, (port, port), "acl-in"), (True, _EPHEMERAL, "acl-out")):
        ordered = sorted((e for e in entries if e.get("Egress") is egress), key=lambda e: e.get("RuleNumber", 0))
        for entry in ordered:
            if not _entry_matches(entry, address, ports):
                continue
            if entry.get("RuleAction") == "deny":
                way = "out to the ephemeral ports of" if egress else f"in on port {port} from"
                detail = f"entry {entry.get('RuleNumber')} denies {way} {address}"
                yield RouteIssue(kind, subnet, acl, detail, rule=entry.get("RuleNumber"))
            break


def _entry_matches(entry: "NetworkAclEntryTypeDef", address: Address, ports: tuple[int, int]) -> bool:
    cidr = entry.get("CidrBlock") or entry.get("Ipv6CidrBlock") or ""
    if entry.get("Protocol", "-1") not in _TCP or not _contains(cidr, address):
        return False
    span = entry.get("PortRange")
    if entry.get("Protocol") == "-1" or not span:
        return True
    # An entry decides for a range when it overlaps it: a deny in the middle of the ephemeral ports loses connections.
    return span.get("From", 0) <= ports[1] and ports[0] <= span.get("To", 65535)
