"""What is indexed, listed and shown by tenant, and taken out of the index so that no search finds it."""

from tests.services.orchestrateur.conftest import Orchestra
from tests.services.orchestrateur.test_records import ask


async def test_documents_are_listed_shown_and_removed(orchestra: Orchestra) -> None:
    _, listed = await ask(orchestra, "GET", "/internal/documents", params={"tenant": "demo"})
    documents = {document["path"]: document for document in listed["documents"]}  # type: ignore[attr-defined] # a list
    assert len(documents) > 10
    assert listed["next"] is None
    delivery = documents["livraison.fr.md"]
    assert delivery["languages"] == ["fr"]
    assert delivery["updated_at"].endswith("Z")

    params = {"tenant": "demo", "path": "livraison.fr.md"}
    _, shown = await ask(orchestra, "GET", "/internal/documents/passages", params=params)
    numbers = [passage["number"] for passage in shown["passages"]]  # type: ignore[attr-defined] # a list
    assert numbers == list(range(int(delivery["passages"])))

    body = {"tenant": "demo", "paths": ["livraison.fr.md", "nowhere.md"]}
    _, done = await ask(orchestra, "POST", "/internal/documents/remove", json=body)
    assert done == {"removed": ["livraison.fr.md"]}
    assert (await ask(orchestra, "GET", "/internal/documents/passages", params=params))[0] == 404
    cited = (await orchestra.reply("Combien coûte la livraison à Casablanca ?")).citations
    assert not any(citation.uri.endswith("livraison.fr.md") for citation in cited)


async def test_another_tenant_sees_and_removes_nothing(orchestra: Orchestra) -> None:
    _, listed = await ask(orchestra, "GET", "/internal/documents", params={"tenant": "atlas"})
    assert listed == {"documents": [], "next": None}
    body = {"tenant": "atlas", "paths": ["livraison.fr.md"]}
    assert (await ask(orchestra, "POST", "/internal/documents/remove", json=body))[1] == {"removed": []}
    assert (await ask(orchestra, "GET", "/internal/documents", params={"tenant": "DEMO"}))[0] == 422
    assert (await ask(orchestra, "POST", "/internal/documents/remove", json={"tenant": "demo", "paths": []}))[0] == 422
    params = {"tenant": "demo", "path": "livraison.fr.md"}
    assert (await ask(orchestra, "GET", "/internal/documents/passages", params=params))[0] == 200


async def test_a_refusal_and_a_complaint_say_how_to_reach_the_business(orchestra: Orchestra) -> None:
    for prompt in ("Quelle est la capitale de l'Australie ?", "C'est inadmissible, personne ne répond !"):
        reply = await orchestra.reply(prompt)
        assert reply.citations == []
        assert "Vous pouvez nous joindre :" in reply.reply
