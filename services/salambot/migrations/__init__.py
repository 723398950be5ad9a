"""The schema's history.

To add a revision: copy the newest file in `versions/` to the next number (`0010_what_it_adds.py`), set `revision` to
that number and `down_revision` to the one before, and write plain SQL in `upgrade()`, one statement an `op.execute`.
The number is the file's first four characters: `head()` reads it without importing anything. A table that holds
tenants' rows needs a `tenant text NOT NULL` column, first in its keys, and `isolate("its_name")` after its creation.
A revision names no role in its SQL: not every user may create them, and `tenancy.py` has what takes their place
(`grant`, `allow_duty`, `begin_duty('salambot_retention')`).

A revision is applied while services of the version before go on working, and code works a revision back too: what
exists stays, with its types and arguments, and what is added needs no value from who does not know it. What nobody
uses any more goes in a later version.
"""

from pathlib import Path

TENANT_ROLE = "salambot_tenant"
RETENTION_ROLE = "salambot_retention"
DELIVERY_ROLE = "salambot_delivery"
ROLES = (TENANT_ROLE, RETENTION_ROLE, DELIVERY_ROLE)
VERSIONS = Path(__file__).with_name("versions")


class RolesMissingError(Exception):
    """The user may not create roles, and is not bound by row-level security either: an administrator has to act."""


def revisions() -> list[str]:
    """Return all revisions, the oldest first."""
    return sorted(file.name[:4] for file in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


def head() -> str:
    """Return the newest revision there is."""
    return revisions()[-1]
