"""The audit trail and one user's data, as orchestrateur keeps them."""

import contextlib
import uuid
from typing import cast

from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.outside.gateway import Document
from salambot_cli.steps.orchestrateur import ask_orchestrateur


async def audit_records(environment: Environment, correlation_id: str | None, most: int) -> list[Document]:
    """Return audit records, the newest first. Raises SalamBotError."""
    query = {"tenant": environment.tenant, "limit": str(most)}
    if correlation_id is not None:
        query["correlation_id"] = correlation_id
    return cast("list[Document]", (await ask_orchestrateur(environment, "/internal/audit", query=query))["records"])


async def record(environment: Environment, action: str, outcome: str) -> None:
    """Append what this command did; a stack that cannot take it now does not undo what was done."""
    body: Document = {"tenant": environment.tenant, "actor": "salambot", "action": action, "outcome": outcome}
    with contextlib.suppress(SalamBotError):
        await ask_orchestrateur(
            environment, "/internal/audit", body={**body, "correlation_id": f"cli-{uuid.uuid4().hex}"}
        )


async def export_user(environment: Environment, user: str) -> Document:
    """Return all that is kept of a user. Raises SalamBotError."""
    return await ask_orchestrateur(environment, "/internal/privacy/export", body=_person(environment, user))


async def erase_user(environment: Environment, user: str) -> Document:
    """Delete all that is kept of a user; return how many rows. Raises SalamBotError."""
    return await ask_orchestrateur(environment, "/internal/privacy/erase", body=_person(environment, user))


def _person(environment: Environment, user: str) -> Document:
    accounts = [account for table in environment.channels.values() for account in table]
    return {"tenant": environment.tenant, "user": user, "accounts": accounts}
