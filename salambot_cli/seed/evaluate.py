"""`seed --evaluate`: how well the user's own questions are found and answered."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.untrusted import untrusted
from salambot_cli.stack.runtimes.base import Runtime

if TYPE_CHECKING:
    from rich.table import Table

Document = dict[str, object]
_FIGURES = {"questions": "questions", "recall_1": "recall@1", "recall_3": "recall@3", "mrr": "MRR"}
_FIGURES |= {"refused": "refused", "fact": "fact", "wrong": "wrong", "false_answers": "false answers"}


async def evaluate(runtime: Runtime, environment: Environment, file: Path, vector: str | None) -> Document:
    """Ask the index each question of a JSON Lines file; return the job's document.

    Raises:
        ConfigurationError: the file cannot be read.
        SalamBotError: a line of it is wrong, or the job failed.
    """
    try:
        questions = await asyncio.to_thread(file.read_text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        form = '{"question": "…", "answers": ["path.md", "path.md#2"], "facts": ["25 DH"]}'
        raise ConfigurationError(f"{file} cannot be read", str(error), f"# one line a question: {form}") from error
    lines: list[str] = []
    store = vector or environment.placement("vector")
    argv = ("salambot.jobs.evaluate", "--tenant", environment.tenant, "--vector", store)
    ended = await runtime.run_job(environment, "orchestrateur", argv, lines.append, stdin=questions)
    if ended.status != 0 or not lines:
        why = ended.errors.strip() or f"status {ended.status}"
        raise SalamBotError(f"{file} was not evaluated", "\n".join(why.splitlines()[-4:]), "salambot seed --help")
    return untrusted(cast("Document", json.loads(lines[-1])))


def figures_table(document: Document) -> "Table":
    """Return the figures for people, a line a group."""
    from rich.table import Table

    table = Table("group", *_FIGURES.values(), box=None)
    for group, figures in cast("dict[str, dict[str, float | None]]", document["groups"]).items():
        table.add_row(group, *(_cell(figures[name]) for name in _FIGURES))
    return table


def _cell(value: float | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.2f}"
