"""The figures of an evaluation, and the file that it reads."""

import asyncio
import os
import sys
from pathlib import Path

import orjson
import pytest

from salambot.knowledge.evaluation import LabelledQuestion, measure, read_questions
from tests.knowledge import KnowledgeBase


def question(text: str, *answers: str) -> LabelledQuestion:
    return LabelledQuestion(text, "all", frozenset(answers))


def test_figures() -> None:
    figures = measure(
        {
            question("first", "a#0"): ["a#0", "b#0"],
            question("second", "b#1"): ["a#0", "b#1"],
            question("by document", "b"): ["c#0", "c#1", "c#2", "b#7"],
            question("missed", "d"): [],
            question("nothing to find"): [],
            question("false"): ["a#0"],
        }
    )
    assert (figures.questions, figures.recall_1, figures.recall_3) == (6, 0.25, 0.5)
    assert figures.mrr == pytest.approx((1 + 1 / 2 + 1 / 4) / 4)
    assert figures.false_answers == 0.5


def test_a_name_may_hold_a_hash_and_be_composed_or_not() -> None:
    given = read_questions(
        [b'{"question": "x", "answers": ["FAQ #1 (50% off).md", "h\xc3\xb4tel.md#2"]}'.decode()], "demo"
    )
    found = {given[0]: ["demo/FAQ #1 (50% off).md#0", "demo/ho\u0302tel.md#2"]}
    assert (measure(found).recall_1, measure({given[0]: found[given[0]][1:]}).recall_1) == (1.0, 1.0)
    assert measure({given[0]: ["demo/FAQ #2.md#0", "demo/ho\u0302tel.md#1"]}).recall_3 == 0.0


@pytest.mark.parametrize(
    "line", ["not json", "[]", '{"question": "x"}', '{"answers": []}', '{"question": 1, "answers": 2}']
)
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_questions(["", line], "demo")


async def test_the_job_measures_a_seeded_index(tmp_path: Path, database_url: str) -> None:
    base = KnowledgeBase(tmp_path / "objects", database_url)
    base.write({"a.md": "# Livraison\n\nLa livraison coûte 25 DH.\n"})
    await base.seed()
    lines = [
        {"question": "prix de la livraison", "answers": ["a.md"]},
        {"question": "capitale du Japon", "answers": []},
    ]
    job = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "salambot.jobs.evaluate", "--tenant", "demo"),
        env={"PYTHONPATH": os.pathsep.join(sys.path), **base.variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await job.communicate(b"\n".join(map(orjson.dumps, lines)))
    groups = orjson.loads(output)["groups"]
    assert groups["all"] == {"questions": 2, "recall_1": 1.0, "recall_3": 1.0, "mrr": 1.0, "false_answers": 0.0}
