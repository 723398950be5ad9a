"""Search: in the language asked, nothing for nonsense, one tenant only, and through the loss of its servers."""

import asyncio
import tomllib
from pathlib import Path

import pytest

from salambot.core import redis_client
from salambot.knowledge.evaluation import Figures, LabelledQuestion, Served, measure
from salambot.knowledge.version import CACHE_TTL_SECONDS
from tests.knowledge import KnowledgeBase
from tests.servers import PostgresServer, ValkeyServer
from tests.services.rag.conftest import SAMPLE, Rag, running_rag

BENCH = Path(__file__).parents[3] / "bench" / "answers" / "shop"
REFUNDS = {
    "fr": {"Remboursement et retours"},
    "ary": {"سياسة الإرجاع والاسترداد", "الترجيع ورد الفلوس"},
    "ary-Latn": {"Retour w remboursement", "الترجيع ورد الفلوس", "سياسة الإرجاع والاسترداد"},
}


async def seed_sample(base: KnowledgeBase) -> None:
    base.write({file.name: file.read_bytes() for file in SAMPLE.glob("*.md")})
    await base.seed()


def labelled() -> list[LabelledQuestion]:
    entries = tomllib.loads((BENCH / "entries.toml").read_text())
    lines = [line.split("\t") for line in (BENCH / "questions.tsv").read_text().splitlines()]
    return [
        LabelledQuestion(text, group, frozenset(f"demo/{e.replace('#', '.md#')}" for e in entries.get(label, ())))
        for group, label, text in lines
    ]


async def test_the_sample_answers_in_each_language_and_not_to_nonsense(base: KnowledgeBase, rag: Rag) -> None:
    await seed_sample(base)
    assert (await rag.titles("C'est quoi votre politique de remboursement ?"))[0] in REFUNDS["fr"]
    assert (await rag.titles("شنو هي سياسة الإرجاع؟"))[0] in REFUNDS["ary"]
    assert (await rag.titles("bghit nrje3 lcommande, kifach?"))[0] in REFUNDS["ary-Latn"]
    for nothing in ("quelle est la capitale du Japon ?", "😀🎉", "?!…", "Bonjour", "ما هي عاصمة اليابان؟"):
        assert await rag.titles(nothing) == [], nothing
    results = {question: await serve(rag, question) for question in labelled()}
    for group in ("fr", "ar", "ary", "ary-Latn", "en"):
        figures = measure({question: found for question, found in results.items() if question.group == group})
        assert_good(group, figures)
    false_answers = measure(results).false_answers
    assert false_answers is not None
    assert false_answers <= 0.1


async def serve(rag: Rag, question: LabelledQuestion) -> Served:
    found = [passage.id for passage in (await rag.search(question.text)).results]
    return Served(found, cited=found[:1])


def assert_good(group: str, figures: Figures) -> None:
    assert figures.recall_3 is not None, group
    assert figures.mrr is not None, group
    # The floor is fitted on ten businesses, nine of which nobody tuned for: one in five of the sample's questions is
    # refused for it. Darija in Arabic letters is lowest, because no table of meanings knows it.
    assert figures.recall_3 >= (0.62 if group == "ary" else 0.7), (group, figures)
    assert figures.mrr >= (0.6 if group == "ary" else 0.66), (group, figures)


async def test_a_passage_is_whole_and_says_where_it_is_from(base: KnowledgeBase, rag: Rag) -> None:
    base.write({"sub/livraison.md": "# Livraison\n\n## Combien coûte la livraison ?\n\n25 DH à Casablanca.\n"})
    await base.seed()
    (passage,) = (await rag.search("prix de la livraison")).results
    assert (passage.id, passage.chunk, passage.uri) == ("demo/sub/livraison.md#0", 0, "kb://demo/sub/livraison.md")
    assert (passage.title, passage.language) == ("Livraison", "fr")
    assert passage.text == "## Combien coûte la livraison ?\n\n25 DH à Casablanca."
    assert passage.metadata["heading"] == "Combien coûte la livraison ?"
    assert passage.metadata["source"] == "objects"
    assert passage.metadata["updated_at"].endswith("Z")
    assert 0 < passage.score <= 1


async def test_scores_fall_and_top_k_holds(base: KnowledgeBase, rag: Rag) -> None:
    await seed_sample(base)
    scores = [passage.score for passage in (await rag.search("livraison gratuite", top_k=20)).results]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 3
    assert len((await rag.search("livraison gratuite", top_k=2)).results) == 2


async def test_doubles_are_collapsed_and_metadata_filters(base: KnowledgeBase, rag: Rag) -> None:
    text = "---\ncategory: {}\n---\n# Garantie\n\n## Durée de la garantie\n\nLa garantie dure {} mois.\n"
    base.write({"a.md": text.format("old", 12), "b.md": text.format("new", 12)})
    await base.seed()
    assert len((await rag.search("durée de la garantie")).results) == 1
    (passage,) = (await rag.search("durée de la garantie", filter={"category": "new"})).results
    assert passage.id == "demo/b.md#0"
    assert await rag.titles("durée de la garantie", filter={"category": "none"}) == []


async def test_no_tenant_sees_another(base: KnowledgeBase, rag: Rag) -> None:
    other = KnowledgeBase(base.folder, base.variables["POSTGRES_URL"], tenant="other")
    base.write({"a.md": "# Livraison\n\nLe secret de la livraison est bleu.\n"})
    other.write({"a.md": "# Livraison\n\nLe secret de la livraison est rouge.\n"})
    await asyncio.gather(base.seed(), other.seed())
    for tenant, color in (("demo", "bleu"), ("other", "rouge")):
        results = (await rag.search("secret livraison rouge bleu", tenant)).results
        assert [passage.id for passage in results] == [f"{tenant}/a.md#0"]
        assert color in results[0].text
    assert (await rag.search("secret livraison", "nobody")).results == []
    assert (await rag.search("secret livraison", filter={"tenant": "other"})).results == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": "x", "tenant": "demo", "top_k": 21}, 422),
        ({"query": "", "tenant": "demo"}, 422),
        ({"query": "x", "tenant": "De mo"}, 422),
        ({"query": "x"}, 422),
    ],
)
async def test_bad_requests_are_refused(rag: Rag, body: dict[str, object], status: int) -> None:
    async with rag.session.post(f"{rag.url}/internal/search", json=body) as response:
        assert response.status == status
        assert response.content_type == "application/problem+json"


async def test_an_odd_query_is_no_error(base: KnowledgeBase, rag: Rag) -> None:
    await seed_sample(base)
    for query in ("a" * 32_000, "' OR 1=1 --", "%_\\", "\u202e\u0000x".replace("\0", ""), "12 34", "livraison " * 3000):
        await rag.search(query)


async def test_the_index_is_described(base: KnowledgeBase, rag: Rag) -> None:
    url = f"{rag.url}/internal/index?tenant=demo"
    async with rag.session.get(url) as response:
        assert await response.json() == {"tenant": "demo", "vector": "local", "documents": 0, "chunks": 0}
    base.write({"a.md": "# A\n\n## B\n\nb\n\n## C\n\nc\n"})
    await base.seed()
    async with rag.session.get(url) as response:
        assert await response.json() == {"tenant": "demo", "vector": "local", "documents": 1, "chunks": 2}


async def test_a_cached_answer_ends_with_the_index_it_came_from(
    base: KnowledgeBase, database_url: str, redis_url: str
) -> None:
    base.write({"a.md": "# Livraison\n\nLa livraison coûte 25 DH.\n"})
    await base.seed()
    async with running_rag(database_url, redis_url) as rag, running_rag(database_url, redis_url) as twin:
        for service in (rag, twin, rag):
            assert "25 DH" in (await service.search("prix livraison")).results[0].text
        base.write({"a.md": "# Livraison\n\nLa livraison coûte 30 DH.\n"})
        await base.seed()
        for service in (rag, twin):
            async with asyncio.timeout(60):  # a version is believed for a quarter of a second
                while "30 DH" not in (await service.search("prix livraison")).results[0].text:
                    pass


async def test_who_comes_at_once_shares_one_look_at_the_version(base: KnowledgeBase, rag: Rag, redis_url: str) -> None:
    base.write({"a.md": "# Livraison\n\nLa livraison coûte 25 DH.\n"})
    await base.seed()
    redis = redis_client.connect(redis_url)
    await rag.search("prix livraison")
    await asyncio.sleep(CACHE_TTL_SECONDS)  # what it knows of the version ends by time alone
    await redis.config_resetstat()
    found = await asyncio.gather(*(rag.search("prix livraison") for _ in range(40)))
    assert {len(each.results) for each in found} == {1}
    reads = (await redis.info("commandstats"))["cmdstat_get"]["calls"]
    assert 1 <= reads <= 4  # another one each time that FRESH_S passes meanwhile
    await redis.aclose()


async def test_without_redis_it_still_answers(
    base: KnowledgeBase, database_url: str, redis_url: str, valkey_server: ValkeyServer
) -> None:
    base.write({"a.md": "# Livraison\n\nLa livraison coûte 25 DH.\n"})
    await base.seed()
    async with running_rag(database_url, redis_url) as rag:
        await rag.search("prix livraison")
        valkey_server.kill()
        try:
            assert len((await rag.search("prix de la livraison")).results) == 1
        finally:
            valkey_server.start()
        assert len((await rag.search("prix livraison")).results) == 1


async def test_without_postgres_it_says_so_and_recovers(
    base: KnowledgeBase, rag: Rag, postgres_server: PostgresServer
) -> None:
    base.write({"a.md": "# Livraison\n\nLa livraison coûte 25 DH.\n"})
    await base.seed()
    assert len((await rag.search("prix livraison")).results) == 1
    postgres_server.kill()
    try:
        body = {"query": "prix livraison demain", "tenant": "demo"}
        async with rag.session.post(f"{rag.url}/internal/search", json=body) as response:
            assert response.status == 503
            assert (await response.json())["code"] == "postgres_unavailable"
        async with rag.session.get(f"{rag.url}/health/ready") as response:
            assert response.status == 503
    finally:
        postgres_server.start()
    assert len((await rag.search("prix livraison")).results) == 1
    async with rag.session.get(f"{rag.url}/health/ready") as response:
        assert response.status == 200
