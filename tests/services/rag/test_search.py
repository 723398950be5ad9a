"""Search over the sample knowledge base, in each language."""

from tests.knowledge import KnowledgeBase
from tests.services.rag.conftest import SAMPLE, Rag


async def seed_sample(base: KnowledgeBase) -> None:
    base.write({file.name: file.read_bytes() for file in SAMPLE.glob("*.md")})
    await base.seed()


async def test_the_sample_answers_in_the_language_asked(base: KnowledgeBase, rag: Rag) -> None:
    await seed_sample(base)
    found = await rag.titles("C'est quoi votre politique de remboursement ?")
    assert found[0] == "Remboursement et retours"
    assert (await rag.titles("شنو هي سياسة الإرجاع؟"))[0] in {"سياسة الإرجاع والاسترداد", "الترجيع ورد الفلوس"}
    assert (await rag.titles("bghit nrje3 lcommande, kifach?"))[0] in {
        "الترجيع ورد الفلوس",
        "سياسة الإرجاع والاسترداد",
        "As2ila b darija",
    }
