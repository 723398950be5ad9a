"""The figures of an evaluation, and the file that it reads."""

import asyncio
import os
import sys
from pathlib import Path

import orjson
import pytest

from salambot.knowledge.evaluation import LabelledQuestion, Served, measure, read_questions
from tests.knowledge import KnowledgeBase


def question(text: str, *answers: str) -> LabelledQuestion:
    return LabelledQuestion(text, "all", frozenset(answers))


def test_figures() -> None:
    figures = measure(
        {
            question("first", "a#0"): Served(["a#0", "b#0"], "A", ["a#0"]),
            question("second", "b#1"): Served(["a#0", "b#1"], "A", ["a#0"]),
            question("by document", "b"): Served(["c#0", "c#1", "c#2", "b#7"], "B", ["b#7"]),
            question("missed", "d"): Served([]),
            question("nothing to find"): Served([]),
            question("false"): Served(["a#0"], "A", ["a#0"]),
        }
    )
    assert (figures.questions, figures.recall_1, figures.recall_3) == (6, 0.25, 0.5)
    assert figures.mrr == pytest.approx((1 + 1 / 2 + 1 / 4) / 4)
    assert (figures.refused, figures.wrong, figures.fact, figures.false_answers) == (0.25, 0.25, None, 0.5)


@pytest.mark.parametrize(
    ("facts", "reply", "is_right"),
    [
        (["1 500 DH"], "Le prix est 1.500 dh.", True),
        (["14 jours|14 days"], "Within 14 days.", True),
        (["14 jours", "gratuit"], "14 jours.", False),
        (["الضمان سنتان"], "إنّ الضمان سنتان", True),
        (["350 DH"], "Le prix est 400 DH.", False),
    ],
)
def test_a_right_reply_states_every_fact(facts: list[str], reply: str, is_right: bool) -> None:
    (asked,) = read_questions([orjson.dumps({"question": "x", "answers": ["a"], "facts": facts}).decode()], "demo")
    figures = measure({asked: Served(["demo/a#0"], reply, ["demo/a#0"])})
    assert (figures.fact, figures.wrong) == (float(is_right), float(not is_right))


def test_without_a_group_questions_are_reported_by_language() -> None:
    lines = [
        '{"question": "What is the price?", "answers": []}',
        '{"question": "كم الثمن؟", "answers": [], "group": "x"}',
    ]
    assert [asked.group for asked in read_questions(lines, "demo")] == ["en", "x"]


def test_a_name_may_hold_a_hash_and_be_composed_or_not() -> None:
    given = read_questions(
        [b'{"question": "x", "answers": ["FAQ #1 (50% off).md", "h\xc3\xb4tel.md#2"]}'.decode()], "demo"
    )
    found = {given[0]: Served(["demo/FAQ #1 (50% off).md#0", "demo/ho\u0302tel.md#2"])}
    assert (measure(found).recall_1, measure({given[0]: Served(found[given[0]].passages[1:])}).recall_1) == (1.0, 1.0)
    assert measure({given[0]: Served(["demo/FAQ #2.md#0", "demo/ho\u0302tel.md#1"])}).recall_3 == 0.0


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        '{"question": "x", "answers": [], "facts": 1}',
        '{"question": "x"}',
        '{"answers": []}',
        '{"question": 1, "answers": 2}',
    ],
)
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_questions(["", line], "demo")


async def test_the_job_measures_a_seeded_index(tmp_path: Path, database_url: str) -> None:
    base = KnowledgeBase(tmp_path / "objects", database_url)
    base.write({"a.md": "# Livraison\n\nLa livraison coûte 25 DH.\n"})
    await base.seed()
    lines = [
        {"question": "prix de la livraison", "answers": ["a.md"], "facts": ["25 DH"]},
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
    right = {"recall_1": 1.0, "recall_3": 1.0, "mrr": 1.0, "refused": 0.0, "fact": 1.0, "wrong": 0.0}
    assert groups["all"] == {"questions": 2, **right, "false_answers": 0.0}
