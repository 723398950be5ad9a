"""Whose customers are answered: what the owner says of each tenant's business in `salambot.toml`."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Business(BaseModel):
    """The facts of a business that a reply may state. An empty one is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line = ""
    contact: Line = ""
    """How a customer reaches a person: a phone number, an address, opening hours."""
    tone: Line = ""
    """How a language model should sound."""


Businesses = Mapping[str, Business]
"""By tenant."""
NOBODY = Business()


def business_of(businesses: Businesses, tenant: str) -> Business:
    """Return what is known of a tenant's business."""
    return businesses.get(tenant, NOBODY)
