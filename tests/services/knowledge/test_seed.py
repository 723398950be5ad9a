"""Seeding: incremental, exact, and safe to stop at any point."""

from pathlib import Path

import pytest

from tests.knowledge import KnowledgeBase

RETURNS = "# Retours\n\n## Puis-je retourner un article ?\n\nOui, sous 14 jours.\n\n## Qui paie le retour ?\n\nNous.\n"


@pytest.fixture
def base(tmp_path: Path, database_url: str) -> KnowledgeBase:
    return KnowledgeBase(tmp_path / "objects", database_url)


async def test_a_second_run_embeds_nothing(base: KnowledgeBase) -> None:
    base.write({"a.md": RETURNS, "b.txt": "Ouvert de 9 h à 19 h."})
    first = await base.seed("--incremental", "--vector", "local", "--json")
    assert first["documents"] == {"seen": 2, "added": 2, "changed": 0, "unchanged": 0, "removed": 0, "rejected": []}
    assert first["chunks"] == {"embedded": 3, "upserted": 3, "deleted": 0}
    second = await base.seed()
    assert second["documents"] == {"seen": 2, "added": 0, "changed": 0, "unchanged": 2, "removed": 0, "rejected": []}
    assert second["chunks"] == {"embedded": 0, "upserted": 0, "deleted": 0}
