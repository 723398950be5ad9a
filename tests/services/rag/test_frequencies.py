"""Counting terms: common ones are remembered for a minute, the others are counted each time."""

from salambot.core import database
from salambot.core.database import Pool, tenant_transaction
from salambot.jobs.migrate import migrate
from salambot.rag.frequencies import COMMON, Frequencies


async def add(pool: Pool, tenant: str, **chunks: int) -> None:
    """Have each term stand in this many more chunks; only the postings are counted."""
    for term, count in chunks.items():
        await pool.execute(
            "INSERT INTO postings (tenant, term, chunk, weight) "
            "SELECT $1, $2, (SELECT count(*) FROM postings) + n, 1 FROM generate_series(1, $3::int) AS n",
            *(tenant, term, count),
        )


async def test_common_terms_are_remembered_and_rare_ones_counted(database_url: str) -> None:
    await migrate(database_url)
    frequencies = Frequencies()

    async def counts(tenant: str) -> dict[str, int]:
        async with tenant_transaction(pool, tenant) as rows:
            return (await frequencies.of(rows, tenant, ["common", "rare", "unheard"]))[0]

    async with await database.connect(database_url) as pool:
        await add(pool, "demo", common=COMMON, rare=COMMON - 1)
        assert await counts("demo") == {"common": COMMON, "rare": COMMON - 1}
        await add(pool, "demo", common=1, rare=1)
        assert await counts("demo") == {"common": COMMON, "rare": COMMON}
        assert await counts("other") == {}, "what is remembered is the tenant's"
