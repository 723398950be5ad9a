"""Hybrid search beside plain BM25 and plain dense on the same questions: `python -m bench.retrieval`."""

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray

from bench.table import put
from salambot.embedders.local import LocalEmbedder
from salambot.knowledge.chunks import Chunk, chunk
from salambot.knowledge.evaluation import Figures, LabelledQuestion, by_group
from salambot.knowledge.parsers import parse
from tests.servers import PostgresServer

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "templates" / "kb"
TOP = 10
FALSE = 0.05
"""The share of false answers that the peers' floor is found for, on the development part: ours keeps to it."""
Scored = Mapping[LabelledQuestion, Sequence[tuple[str, float]]]
"""What a peer found for each question, best first, with its scores."""
Ours = Mapping[str, Mapping[str, float | None]]
"""Figures by group, as `salambot seed --evaluate` gives them."""
_WORD = re.compile(r"\w+")


def labelled() -> list[LabelledQuestion]:
    """Read the set: questions.tsv names entries, entries.toml says where each stands."""
    entries = tomllib.loads((HERE / "entries.toml").read_text())
    lines = [line.split("\t") for line in (HERE / "questions.tsv").read_text().splitlines()]
    return [
        LabelledQuestion(text, group, frozenset(entry.replace("#", ".md#") for entry in entries.get(label, ())))
        for group, label, text in lines
    ]


def parts() -> dict[str, list[LabelledQuestion]]:
    """Split the set for good, by the text alone: a third is held out, and nothing is tuned on it."""
    split: dict[str, list[LabelledQuestion]] = {"development": [], "held out": [], "all": labelled()}
    for question in split["all"]:
        held_out = hashlib.sha256(question.text.encode()).digest()[0] % 3 == 0
        split["held out" if held_out else "development"].append(question)
    return split


def corpus() -> dict[str, Chunk]:
    """Cut the sample as the seed job does."""
    files = sorted(SAMPLE.glob("*.md"))
    return {
        f"{file.name}#{piece.number}": piece for file in files for piece in chunk(parse(file.name, file.read_bytes()))
    }


def plain_bm25(chunks: Mapping[str, Chunk], questions: Sequence[LabelledQuestion]) -> Scored:
    """BM25 over lower-cased words, as a library gives it."""
    ids = list(chunks)
    index = bm25s.BM25()
    index.index([_words(piece.embedded) for piece in chunks.values()], show_progress=False)
    found = {}
    for question in questions:
        scores = index.get_scores(_words(question.text) or [""])
        found[question] = _best(ids, scores)
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


async def plain_dense(chunks: Mapping[str, Chunk], questions: Sequence[LabelledQuestion]) -> Scored:
    """The same vectors, by their similarity alone."""
    ids = list(chunks)
    vectors = await LocalEmbedder().embed([piece.embedded for piece in chunks.values()])
    asked = await LocalEmbedder().embed([question.text for question in questions])
    return {question: _best(ids, scores) for question, scores in zip(questions, asked @ vectors.T, strict=True)}


def _best(ids: Sequence[str], scores: NDArray[np.float32]) -> list[tuple[str, float]]:
    return [(ids[at], float(scores[at])) for at in np.argsort(-scores)[:TOP] if scores[at] > 0]


def floor_of(found: Scored) -> float:
    """Return the lowest floor that lets through at most FALSE of the questions without an answer."""
    best = sorted(
        (hits[0][1] if hits else 0.0 for question, hits in found.items() if not question.answers), reverse=True
    )
    return best[int(FALSE * len(best))]


def above(found: Scored, floor: float = 0.0) -> dict[str, Figures]:
    """Return the figures of what scores more than a floor."""
    return by_group({question: [name for name, score in hits if score > floor] for question, hits in found.items()})


def hybrid(split: Mapping[str, Sequence[LabelledQuestion]]) -> dict[str, Ours]:
    """Seed once, and evaluate each part of the set, by the real jobs over a real Postgres."""
    with tempfile.TemporaryDirectory(prefix="salambot-bench-") as folder:
        Path(folder).chmod(0o755)
        home, objects = Path(folder, "home"), Path(folder, "objects")
        home.mkdir()
        (objects / "demo").mkdir(parents=True)
        for file in SAMPLE.glob("*.md"):
            (objects / "demo" / file.name).write_bytes(file.read_bytes())
        server = PostgresServer(home)
        server.start()
        try:
            environment = os.environ | {"POSTGRES_URL": server.url(), "OBJECTS_URL": f"file://{objects}"}
            _job(environment, "seed_kb")
            return {name: _evaluated(environment, questions) for name, questions in split.items()}
        finally:
            server.stop()


def _evaluated(environment: Mapping[str, str], questions: Sequence[LabelledQuestion]) -> Ours:
    lines = [json.dumps({"question": q.text, "answers": sorted(q.answers), "group": q.group}) for q in questions]
    groups: Ours = json.loads(_job(environment, "evaluate", "\n".join(lines)))["groups"]
    return groups


def _job(environment: Mapping[str, str], name: str, text: str = "") -> str:
    command = [sys.executable, "-m", f"salambot.jobs.{name}", "--tenant", "demo"]
    return subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=True).stdout


def table(part: str, ours: Ours, peers: Mapping[str, Mapping[str, Figures]]) -> str:
    """Return the figures of one part as a table: four lines a language."""
    lines = [f"| {part} | | hybrid | {' | '.join(peers)} |", f"|---|---|---:|{'---:|' * len(peers)}"]
    for group, figures in ours.items():
        for name, label in (
            ("recall_1", "recall@1"),
            ("recall_3", "recall@3"),
            ("mrr", "MRR"),
            ("false_answers", "false"),
        ):
            values = [figures[name], *(getattr(peer[group], name) for peer in peers.values())]
            cells = " | ".join("–" if value is None else f"{value:.2f}" for value in values)
            first = f"{group} ({figures['questions']})" if name == "recall_1" else ""
            lines.append(f"| {first} | {label} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and put the table between its markers in bench/README.md."""
    split, chunks = parts(), corpus()
    ours = hybrid(split)
    found = {
        "BM25": {name: plain_bm25(chunks, questions) for name, questions in split.items()},
        "dense": {name: asyncio.run(plain_dense(chunks, questions)) for name, questions in split.items()},
    }
    floors = {peer: floor_of(parts["development"]) for peer, parts in found.items()}
    tables = []
    for name in split:
        plain = {f"plain {peer}": above(parts[name]) for peer, parts in found.items()}
        floored = {f"{peer}, floor": above(parts[name], floors[peer]) for peer, parts in found.items()}
        tables.append(table(name, ours[name], plain | floored))
    text = "\n\n".join(tables)
    print(text)
    put("retrieval", text)


if __name__ == "__main__":
    main()
