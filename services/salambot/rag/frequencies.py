"""How many chunks of a tenant hold each term: what a question's words weigh by."""

import time
from collections.abc import Sequence

from salambot.core.database import Connection

COMMON = 2_000
"""Chunks from which on a term takes long to count, and is not counted for each question."""
TTL_SECONDS = 60
"""How long such a count is believed: of so many, what a seed run adds or takes in a minute weighs nothing."""
MAX_ENTRIES = 10_000


class Frequencies:
    """Counts in the index; common terms, which nearly every question has, are remembered for a minute."""

    def __init__(self) -> None:
        self._common: dict[tuple[str, str], tuple[float, int]] = {}

    async def of(self, rows: Connection, tenant: str, terms: Sequence[str]) -> tuple[dict[str, int], int]:
        """Return the number of chunks of each term that any holds, and of all chunks."""
        now = time.monotonic()
        believed = {term: self._common.get((tenant, term), (0.0, 0)) for term in terms}
        counts = {term: count for term, (until, count) in believed.items() if until > now}
        counted = await rows.fetch(_COUNT, tenant, [term for term in terms if term not in counts])
        fresh = {row["term"]: int(row["chunks"]) for row in counted}
        chunks = fresh.pop("", 0)
        self._remember(tenant, {term: count for term, count in fresh.items() if count >= COMMON}, now + TTL_SECONDS)
        return counts | fresh, chunks

    def _remember(self, tenant: str, common: dict[str, int], until: float) -> None:
        if len(self._common) > MAX_ENTRIES:
            self._common.clear()
        self._common.update({(tenant, term): (until, count) for term, count in common.items()})


_COUNT = """
    SELECT term, count(*) AS chunks FROM postings WHERE tenant = $1 AND term = ANY($2) GROUP BY term
    UNION ALL SELECT '', chunks FROM index_state WHERE tenant = $1"""
