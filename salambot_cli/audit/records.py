"""The audit trail and one user's data, as orchestrateur keeps them."""

import asyncio
import contextlib
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.config.pull_secrets import Pulled, pull
from salambot_cli.host.files import replace_file, state_folder
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.stack.orchestrateur import ask_orchestrateur

_FAULTS = 20
_MAX_PENDING = 1_000


async def audit_records(environment: Environment, correlation_id: str | None, most: int) -> list[Document]:
    """Return audit records, the newest first. Raises SalamBotError."""
    query = {"tenant": environment.tenant, "limit": str(most)}
    if correlation_id is not None:
        query["correlation_id"] = correlation_id
    return cast("list[Document]", (await ask_orchestrateur(environment, "/internal/audit", query=query))["records"])


async def verify_audit(environment: Environment, head: str | None) -> Document:
    """Check the whole chain of seals over the tenant's audit records. Raises SalamBotError.

    `head` is one that an earlier check returned: the chain still has to hold it.
    """
    whole: dict[str, int] = dict.fromkeys(("seals", "records", "retired"), 0)
    faults: list[str] = []
    heads: set[str] = set()
    after: int | None = 0
    while after is not None:
        query = {"tenant": environment.tenant, "after": str(after)}
        part = await ask_orchestrateur(environment, "/internal/audit/check", query=query)
        whole = {name: count + cast("int", part[name]) for name, count in whole.items()}
        faults += cast("list[str]", part["faults"])
        heads.update(cast("list[str]", part["heads"]))
        after = cast("int | None", part["next"])
    if head is not None and head not in heads:
        faults.append(f"the chain does not hold {head}: it was cut off, or rebuilt")
    status = "broken" if faults else "intact"
    return {"status": status, **whole, "unsealed": part["unsealed"], "head": part["head"], "faults": faults[:_FAULTS]}


async def pull_recorded(environment: Environment) -> Pulled:
    """Read the secrets, and leave a record of it, of a refusal too. Raises SalamBotError."""
    try:
        pulled = await asyncio.to_thread(pull, environment)
    except SalamBotError:
        await record(environment, "secret.read", "failed")
        raise
    if pulled.versions:
        await record(pulled.environment, "secret.read", "done")
    return pulled


async def record(environment: Environment, action: str, outcome: str) -> None:
    """Append what this command did. What the stack cannot take now is kept, and appended with the next record."""
    body: Document = {"tenant": environment.tenant, "actor": "salambot", "action": action, "outcome": outcome}
    body["correlation_id"] = f"cli-{uuid.uuid4().hex}"
    pending = environment.root / ".salambot" / "audit.pending"
    try:
        for kept in [*_kept(pending), body]:
            await ask_orchestrateur(environment, "/internal/audit", body=kept)
        pending.unlink(missing_ok=True)
    except SalamBotError:
        body["outcome"] = f"{outcome} at {datetime.now(UTC).isoformat(timespec='seconds').replace('+00:00', 'Z')}"
        lines = [json.dumps(line) for line in [*_kept(pending), body][-_MAX_PENDING:]]
        with contextlib.suppress(SalamBotError):  # a folder that cannot be written stops no reading
            replace_file(state_folder(environment.root) / pending.name, "\n".join(lines))


def _kept(pending: Path) -> list[Document]:
    return [json.loads(line) for line in pending.read_text().splitlines()] if pending.is_file() else []


async def export_user(environment: Environment, user: str) -> Document:
    """Return all that is kept of a user. Raises SalamBotError."""
    return await ask_orchestrateur(environment, "/internal/privacy/export", body=_person(environment, user))


async def erase_user(environment: Environment, user: str) -> Document:
    """Delete all that is kept of a user; return how many rows. Raises SalamBotError."""
    return await ask_orchestrateur(environment, "/internal/privacy/erase", body=_person(environment, user))


def _person(environment: Environment, user: str) -> Document:
    accounts = [account for table in environment.channels.values() for account in table]
    return {"tenant": environment.tenant, "user": user, "accounts": accounts}
