"""After a round of the doctor: the console hears of it, and the audit trail of the secrets that it read."""

import asyncio
from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.audit.records import record
from salambot_cli.model.environment import Environment
from salambot_cli.stack.console import publish_doctor_report

_LOOKED = ("ok", "warn", "fail")
"""What a check says that ran; any other status says that it did not."""


async def publish_report(environment: Environment, report: Document, *, complete: bool) -> None:
    """Report the console, and leave a record where secrets were read or refused. `complete`: every check ran."""
    await asyncio.to_thread(publish_doctor_report, environment, report, complete=complete)
    findings = cast("list[Document]", report["findings"])
    seen = {str(f["id"]) for f in findings if f["check"] == "secrets.read" and f["status"] in _LOOKED}
    if seen:
        await record(environment, "secret.read", "failed" if "secret.unavailable" in seen else "done")
