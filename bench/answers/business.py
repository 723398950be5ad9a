"""The businesses: documents as owners have them, questions as customers ask them, and the fact that answers each."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from salambot.knowledge.chunks import Chunk, chunk
from salambot.knowledge.parsers import parse

HERE = Path(__file__).parent
SHOP = HERE.parents[1] / "templates" / "kb"
_FOLDS = str.maketrans("أإآٱىةؤئ٠١٢٣٤٥٦٧٨٩", "اااايهوي0123456789")


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question. `documents` is empty where nothing answers; `facts` are patterns that a right reply matches, all."""

    text: str
    language: str
    kind: str
    documents: frozenset[str]
    facts: tuple[str, ...] = ()
    passages: frozenset[tuple[str, int]] = frozenset()
    """Instead of facts, for the sample: the passages, by document and number."""
    before: tuple[str, ...] = ()
    """Earlier turns, the customer's and ours alternating."""


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk of a document."""

    document: str
    title: str
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Business:
    """One business."""

    name: str
    chunks: tuple[IndexedChunk, ...]
    questions: tuple[LabelledQuestion, ...]


def load_businesses() -> list[Business]:
    """Return all of them, the sample shop last."""
    folders = sorted(path for path in (HERE / "businesses").iterdir() if path.is_dir())
    return [load_business(folder) for folder in folders] + [load_shop()]


def load_business(folder: Path) -> Business:
    """Read `kb/` and `questions.tsv`: languages, kind, documents or `-`, facts (joined by ` && `), question, turns."""
    lines = (folder / "questions.tsv").read_text(encoding="utf-8").splitlines()
    return Business(folder.name, tuple(_chunks(folder / "kb")), tuple(_question(line.split("\t")) for line in lines))


def load_shop() -> Business:
    """Read the sample with its own labels: questions.tsv names entries, entries.toml says where each stands."""
    folder = HERE / "shop"
    entries = tomllib.loads((folder / "entries.toml").read_text(encoding="utf-8"))
    questions = []
    for line in (folder / "questions.tsv").read_text(encoding="utf-8").splitlines():
        language, label, text = line.split("\t")
        places = [entry.split("#") for entry in entries.get(label, ())]
        passages = frozenset((f"{name}.md", int(number)) for name, number in places)
        documents = frozenset(name for name, _ in passages)
        questions.append(LabelledQuestion(text, language, "shop", documents, passages=passages))
    return Business("shop", tuple(_chunks(SHOP)), tuple(questions))


def holds_answer(question: LabelledQuestion, found: IndexedChunk) -> bool:
    """Return True if a chunk is of a right document and holds every fact."""
    if question.passages:
        return (found.document, found.chunk.number) in question.passages
    text = f"{found.title}\n{found.chunk.heading}\n{found.chunk.text}"
    return found.document in question.documents and states_facts(question, text)


def states_facts(question: LabelledQuestion, text: str) -> bool:
    """Return True if a text holds every fact."""
    folded = fold(text)
    return all(re.search(fact, folded) for fact in question.facts)


def fold(text: str) -> str:
    """Write a text as the facts' patterns are written: without case, accents and marks; `1 500` is 1500."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).translate(_FOLDS)
    plain = re.sub(r"\s+", " ", plain.replace("ـ", "").replace("’", "'").replace("\\", ""))
    return re.sub(r"(?<=\d) (?=\d)", "", re.sub(r"(?<=\d)[,.](?=\d{3}(?!\d))", "", plain))


def _question(fields: list[str]) -> LabelledQuestion:
    languages, kind, documents, facts, text, *turns = fields
    return LabelledQuestion(
        text=text,
        language=languages.split(",")[0],
        kind=kind,
        documents=frozenset() if documents == "-" else frozenset(documents.split(",")),
        facts=tuple(facts.split(" && ")) if facts else (),
        before=tuple(turns[0].split(" || ")) if turns and turns[0] else (),
    )


def _chunks(folder: Path) -> Iterator[IndexedChunk]:
    for file in sorted(folder.iterdir()):
        document = parse(file.name, file.read_bytes())
        yield from (IndexedChunk(file.name, document.title, piece) for piece in chunk(document))
