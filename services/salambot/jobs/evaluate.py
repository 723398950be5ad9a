"""Measure an index with labelled questions: `python -m salambot.jobs.evaluate --tenant demo < questions.jsonl`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict

import orjson
from pydantic import ValidationError

from salambot.core import database
from salambot.core.database import DatabaseUnavailableError
from salambot.core.mounted_secrets import load_mounted_secrets
from salambot.core.schemas import ComposeRequest, RetrievalRequest
from salambot.jobs.settings import JobSettings
from salambot.knowledge.embedders import open_embedder
from salambot.knowledge.evaluation import Figures, LabelledQuestion, Served, by_group, read_questions
from salambot.knowledge.vectors import VECTORS, open_store
from salambot.language.policy import refusal_of
from salambot.llms.local import compose
from salambot.rag.calibration import load_calibration
from salambot.rag.retrieval import Retriever

LOOKED_AT = 10
"""Number of results per question that count for the reciprocal rank."""
_PASSAGES = 5
"""Of these, those that the reply is composed from, as in a conversation."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; 0 done, 1 failed. The figures are one JSON document on standard output."""
    parser = argparse.ArgumentParser(prog="salambot.jobs.evaluate", description=__doc__)
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--vector", choices=VECTORS)
    given = parser.parse_args(arguments)
    load_mounted_secrets()
    try:
        questions = read_questions(sys.stdin, given.tenant)
        figures = asyncio.run(_evaluate(JobSettings(), given.tenant, given.vector, questions))
    except ValidationError as error:
        return _failed(f"not set: {', '.join(str(item['loc'][0]).upper() for item in error.errors())}")
    except (DatabaseUnavailableError, ValueError) as error:
        return _failed(str(error))
    document = {"schema_version": "1.0", "status": "done", "tenant": given.tenant}
    groups = {name: asdict(group) for name, group in figures.items()}
    print(orjson.dumps({**document, "groups": groups}).decode())  # noqa: T201 - a job speaks on standard output
    return 0


def _failed(reason: str) -> int:
    print(f"evaluation failed: {reason}", file=sys.stderr)  # noqa: T201
    return 1


async def _evaluate(
    settings: JobSettings, tenant: str, vector: str | None, questions: Sequence[LabelledQuestion]
) -> dict[str, Figures]:
    embedder = open_embedder(settings.embedder)
    pool = await database.connect(settings.postgres_url.get_secret_value(), max_size=4)
    store = open_store(vector or settings.vector, pool, embedder)
    lookup = Retriever(pool, store, embedder, load_calibration(settings.embedder))
    try:
        async with pool:
            return by_group({question: await _serve(lookup, tenant, question) for question in questions})
    finally:
        await store.close()
        await embedder.close()


async def _serve(lookup: Retriever, tenant: str, question: LabelledQuestion) -> Served:
    """Answer as a conversation of one turn is answered without a language model."""
    request = RetrievalRequest(query=question.text, tenant=tenant, top_k=LOOKED_AT)
    passages = [] if refusal_of(question.text) else await lookup.retrieve(request)
    reply = compose(ComposeRequest(tenant=tenant, prompt=question.text, passages=passages[:_PASSAGES]))
    return Served([passage.id for passage in passages], reply.reply, [citation.id for citation in reply.citations])


if __name__ == "__main__":
    sys.exit(main())
