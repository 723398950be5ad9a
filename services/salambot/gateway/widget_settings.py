"""Settings of the web chat widget: the sites that may show it, as `WIDGET` holds them in JSON."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from salambot.core.schemas import TenantName
from salambot_contracts.rate_limit import RateLimit, require_rate_limit
from salambot_contracts.web_origin import parse_origin

Rate = Annotated[str, AfterValidator(require_rate_limit)]
"""A rate limit such as `60/minute`."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WidgetSite(_Frozen):
    """A web site that shows the widget. Its key is public: the origin is what counts."""

    key: str
    tenant: TenantName
    origins: frozenset[Annotated[str, AfterValidator(parse_origin)]]


class WidgetSettings(_Frozen):
    """All sites, and how often their visitors may write."""

    sites: tuple[WidgetSite, ...] = ()
    tunnel: bool = False
    """Serve the widget through the tunnel's listener too."""
    visitor_limit: Rate = "10/minute"
    site_limit: Rate = "120/minute"

    @property
    def visitor_rate(self) -> RateLimit:
        """The rate limit of one visitor, and of new visitors from one address."""
        return RateLimit.parse(self.visitor_limit)

    @property
    def site_rate(self) -> RateLimit:
        """The rate limit of all visitors of a site together."""
        return RateLimit.parse(self.site_limit)
