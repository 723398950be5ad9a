"""The shape of `salambot.toml`: what keys there are, what each may hold, and the error when one does not fit."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)

from salambot_cli.components import PLACEMENTS
from salambot_cli.components.variables import PLAIN_VARIABLES, is_known, is_secret
from salambot_cli.model.environment import RuntimeName
from salambot_cli.model.environment_folder import OWN, is_environment_name
from salambot_cli.model.grafana import is_web_address
from salambot_cli.model.topology import Component, Service, TopologyName
from salambot_contracts.pasted_text import find_pasted
from salambot_contracts.web_origin import parse_origin

Port = Annotated[int, Field(ge=1, le=65535, strict=True)] | Literal["auto"]
Tenant = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
_TENANT = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")

_SECRET_SHAPES = re.compile(
    r"^(sk-|pcsk_|pc-|whsec_|gh[pousr]_|xox[abp]-|glc_|EAA[A-Za-z0-9]{10}|eyJ[\w-]+\.|-----BEGIN )|^(AKIA|ASIA)[A-Z0-9]{16}$|://[^/@\s]*:[^/@\s]+@"
)


def is_tenant(name: str) -> bool:
    """Return whether a name can be a tenant."""
    return _TENANT.match(name) is not None


def looks_secret(value: str) -> bool:
    """Return whether a value has the shape of a key, a token or a URL with a password."""
    return _SECRET_SHAPES.search(value) is not None


def _no_secret(value: str) -> str:
    if looks_secret(value):
        raise ValueError("holds what looks like a secret; put it in .env or in Secrets Manager")
    return value


def _known_variables(table: dict[str, str]) -> dict[str, str]:
    for name in table:
        if is_secret(name):
            raise ValueError(f"{name} is a secret; put it in .env or in Secrets Manager, never in this file")
        if not is_known(name):
            raise ValueError(f"{name} is not a variable of an environment{nearest(name, PLAIN_VARIABLES)}")
    return table


def _known_entries(table: "dict[str, str | NamedEnvironment]") -> "dict[str, str | NamedEnvironment]":
    _known_variables({name: value for name, value in table.items() if isinstance(value, str)})
    for name, value in table.items():
        if not isinstance(value, str) and (name == OWN or not is_environment_name(name)):
            raise ValueError(f"{name} cannot name an environment: lower-case letters, digits and dashes, and not {OWN}")
    return table


def _web_address(value: str) -> str:
    if not is_web_address(value):
        raise ValueError("should be an address such as https://shop.grafana.net")
    return value


def _several(services: list[Service]) -> list[Service]:
    if len(services) == 1 or len({*services}) < len(services):
        raise ValueError("should name two or more services, each once")
    return services


PlainText = Annotated[str, AfterValidator(_no_secret)]
BusinessLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$"),
    AfterValidator(_no_secret),
]
"""One line: it stands in replies and in a language model's instructions."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


_PLACEMENT_FIELDS: dict[str, Any] = {
    component: (Literal[placements] | None, None) for component, placements in PLACEMENTS.items()
}
PlacementTable = create_model(
    "PlacementTable", __base__=_Table, __doc__="Single overrides of the preset.", **_PLACEMENT_FIELDS
)


class PortsTable(_Table):
    """Ports on 127.0.0.1; `auto` picks a free one."""

    gateway: Port = 8080
    orchestrateur: Port = 8081
    nlu: Port = 8082
    rag: Port = 8083
    worker: Port = "auto"
    ingress: Port = "auto"
    tunnel: Port = "auto"
    postgres: Port = "auto"
    redis: Port = "auto"


class AwsTable(_Table):
    """How to reach AWS; credentials themselves come from the standard AWS chain."""

    region: PlainText | None = None
    profile: PlainText | None = None
    jump: PlainText | None = None
    secret: PlainText | dict[str, PlainText] | None = None
    kms_key: PlainText | None = None
    """The key that uploaded documents are encrypted with (SSE-KMS); without one S3's own (SSE-S3, AES256)."""


class CertificateTable(_Table):
    """A CA bundle (a path) that a cloud endpoint's certificate is verified with."""

    ca: PlainText | None = None


class KbTable(_Table):
    """Where `salambot seed` finds the documents."""

    path: PlainText = "kb"


class ChannelsTable(_Table):
    """Page and phone-number ids, each with its tenant; Telegram's one bot is `bot`."""

    messenger: dict[str, Tenant] = {}
    whatsapp: dict[str, Tenant] = {}
    telegram: dict[Literal["bot"], Tenant] = {}


class BusinessBlock(_Table):
    """The business that replies speak for: its name, how a customer reaches a person, the tone of a language model."""

    name: BusinessLine | None = None
    contact: BusinessLine | None = None
    tone: BusinessLine | None = None


class BusinessTable(BusinessBlock):
    """The configured tenant's business; every other tenant has a block of its own, `[business.TENANT]`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, BusinessBlock]

    @model_validator(mode="after")
    def _names_tenants(self) -> Self:
        for name in self.__pydantic_extra__:
            if not _TENANT.match(name):
                raise ValueError(f"{name} is neither name, contact or tone, nor a tenant")
        return self

    def by_tenant(self, tenant: str) -> dict[str, dict[str, str]]:
        """Return what is said of each business, `tenant` being the configured one."""
        blocks = {
            **self.__pydantic_extra__,
            tenant: BusinessBlock(name=self.name, contact=self.contact, tone=self.tone),
        }
        said = {
            name: block.model_dump(exclude_none=True, include={"name", "contact", "tone"})
            for name, block in blocks.items()
        }
        return {name: block for name, block in said.items() if block}


Origin = Annotated[PlainText, AfterValidator(parse_origin)]
Rate = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}/(?:second|minute|hour|day)$")]


class WidgetSite(_Table):
    """A web site that shows the chat. Its key stands in the page; it is public."""

    key: Annotated[PlainText, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
    tenant: Tenant | None = None
    origins: Annotated[list[Origin], Field(min_length=1)]


class WidgetTable(_Table):
    """The web chat for other sites' pages: who may show it, and how often their visitors may write."""

    tunnel: bool = False
    """Reachable through the tunnel too, beside the webhooks."""
    visitor_limit: Rate = "10/minute"
    site_limit: Rate = "120/minute"
    site: list[WidgetSite] = []

    @model_validator(mode="after")
    def _has_each_key_once(self) -> Self:
        if len({site.key for site in self.site}) < len(self.site):
            raise ValueError("two sites have the same key")
        return self


class TelemetryTable(_Table):
    """Beside where telemetry goes (`placement.telemetry`, OTEL_*): where it is seen, and what stands between."""

    grafana_url: Annotated[PlainText, AfterValidator(_web_address)] | None = None


class IgnoreEntry(_Table):
    """A finding not to be reported, with the reason and the last day (YYYY-MM-DD) of the exception."""

    id: PlainText
    reason: PlainText
    until: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")] | None = None


class CheckEntry(_Table):
    """A check of the project's own: a URL or a command, what it has to answer, and what to do where it does not."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    url: Annotated[PlainText, AfterValidator(_web_address)] | None = None
    command: Annotated[list[PlainText], Field(min_length=1)] | None = None
    """Program and arguments; no shell reads them."""
    status: int | None = None
    """The HTTP status (200), or the exit status (0)."""
    contains: PlainText | None = None
    """Text that the answer has to hold."""
    part: Component | Service | None = None
    """The component or service that it belongs to."""
    remedy: PlainText

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.url is None) == (self.command is None):
            raise ValueError("give either url or command")
        return self


class DoctorTable(_Table):
    """Settings of the doctor."""

    ignore: list[IgnoreEntry] = []
    check: list[CheckEntry] = []


class _Settings(_Table):
    tenant: Tenant = "demo"
    topology: TopologyName | Annotated[list[TopologyName], Field(min_length=1)] = "local"
    runtime: RuntimeName = "auto"
    together: Annotated[list[Service], AfterValidator(_several)] = []
    """Services that share one process, in runtime `process`: less memory and fewer hops, but they end together too."""
    timezone: PlainText = "Africa/Casablanca"
    allow_insecure: list[Component] = []
    placement: PlacementTable = PlacementTable()
    ports: PortsTable = PortsTable()
    aws: AwsTable = AwsTable()
    postgres: CertificateTable = CertificateTable()
    redis: CertificateTable = CertificateTable()
    kb: KbTable = KbTable()
    channels: ChannelsTable = ChannelsTable()
    business: BusinessTable = BusinessTable()
    widget: WidgetTable = WidgetTable()
    telemetry: TelemetryTable = TelemetryTable()
    doctor: DoctorTable = DoctorTable()


class NamedEnvironment(_Settings):
    """An environment of its own name: what differs there from the rest of the file."""

    env: Annotated[dict[str, PlainText], AfterValidator(_known_variables)] = {}


def _kind_of_entry(value: object) -> str:
    return "environment" if isinstance(value, dict | NamedEnvironment) else "variable"


EnvironmentEntry = Annotated[
    Annotated[PlainText, Tag("variable")] | Annotated[NamedEnvironment, Tag("environment")],
    Discriminator(_kind_of_entry),
]


class Config(_Settings):
    """`salambot.toml`. It holds no secret."""

    env: Annotated[dict[str, EnvironmentEntry], AfterValidator(_known_entries)] = {}
    """Variables that are no secrets, and named environments: `[env.staging]`."""

    @property
    def variables(self) -> dict[str, str]:
        """The variables that the file sets for every environment, or for the one that was chosen."""
        return {name: value for name, value in self.env.items() if isinstance(value, str)}

    @property
    def presets(self) -> tuple[TopologyName, ...]:
        """The presets, in the order they apply."""
        return (self.topology,) if isinstance(self.topology, str) else tuple(self.topology)


LEAVES = frozenset(
    {
        "aws.secret",
        "business",
        "widget",
        *(f"channels.{name}" for name in ChannelsTable.model_fields),
        "doctor.ignore",
        "doctor.check",
        "env",
        "topology",
        "together",
        "allow_insecure",
    }
)
"""Dotted keys whose value is taken whole, though it may be a table or a list."""


def dotted_keys() -> tuple[str, ...]:
    """Return every key that `salambot.toml` may hold, as dotted paths."""
    keys: list[str] = []
    for name, field in Config.model_fields.items():
        table = field.annotation
        if name not in LEAVES and isinstance(table, type) and issubclass(table, BaseModel):
            keys.extend(f"{name}.{key}" for key in table.model_fields)
        else:
            keys.append(name)
    return tuple(keys)


def nearest(word: str, known: Mapping[str, object] | frozenset[str] | tuple[str, ...] | list[str]) -> str:
    """Return `; did you mean X?` for the nearest known word, or nothing."""
    match = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]}?" if match else ""


def describe(error: ValidationError) -> list[str]:
    """Turn pydantic's errors into lines such as `placement/vector: should be one of …, not "pinecon"`."""
    lines: dict[str, str] = {}
    for item in error.errors():
        *parents, last = [str(part) for part in item["loc"]]
        unknown = item["type"] == "extra_forbidden"  # then the last part is what a person wrote, whatever it looks like
        location = [part for part in parents if not _is_union_branch(part)]
        location += [last] if unknown or not _is_union_branch(last) else []
        path = "/".join(location)
        lines.setdefault(
            path, f"{path}: {_sentence(item['type'], item['msg'], location, item.get('input'), item.get('ctx', {}))}"
        )
    return list(lines.values())


def _is_union_branch(part: str) -> bool:
    return part.startswith(("list[", "dict[", "literal[", "constrained-", "function-")) or part in {
        "str",
        "int",
        "variable",
        "environment",
    }


def _sentence(kind: str, message: str, location: list[str], value: object, context: Mapping[str, object]) -> str:
    if location[0] == "env" and len(location) > 2:  # inside [env.NAME] the keys are those of the file
        location = location[2:]
    if kind == "extra_forbidden":
        siblings = _siblings(location)
        return f"unknown key{nearest(location[-1], siblings)} (known: {', '.join(siblings)})"
    if kind == "value_error":
        return str(context.get("error", message))
    if isinstance(value, str) and (pasted := find_pasted(value)):
        return f"holds {pasted[0]}"
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    if isinstance(value, str) and looks_secret(value):
        shown = "that (it looks like a secret)"
    if kind == "literal_error" and location[0] == "placement":
        return f"should be one of {', '.join(_placements(location[-1]))}, not {shown}"
    if kind == "literal_error":
        return f"should be {str(context['expected']).replace(chr(39), '')}, not {shown}"
    if kind == "string_pattern_mismatch":
        return (
            f"should be lower-case letters, digits and dashes (at most 63), not {shown}"
            if "tenant" in location
            else f"has another form than expected, not {shown}"
        )
    return f"{message[0].lower()}{message[1:]}, not {shown}"


def _placements(component: str) -> tuple[str, ...]:
    return next((placements for name, placements in PLACEMENTS.items() if name == component), ())


def _siblings(location: list[str]) -> list[str]:
    table: type[BaseModel] = Config
    for part in location[:-1]:
        field = table.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        table = field.annotation
    return list(table.model_fields)
