"""The words that the project does not use stay out of it: `docs/glossary.md` has those that it uses."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CODE = ("salambot_cli", "services")
PROSE = (*CODE, "docs", "templates", "compose", "README.md", "CONTRIBUTING.md")
SUFFIXES = {".py", ".md", ".yml", ".toml", ".html"}
WORDS = re.compile(
    r"\b(mends?|mended|anew|whence|turns? nobody away|as it is told|may too much|tells? whether|nobody waits)\b",
    re.IGNORECASE,
)
NAMES = re.compile(r"^\s*_?(?:(?:MOST|LONGEST)_[A-Z_]+|[A-Z][A-Z_]*_S)\b(?=[^=]*=)")
"""Limits are `MAX_…`, times name their unit: `…_SECONDS`."""
QUESTIONS = ("Who ", "What ", "Whether ")


@cache
def modules(checkout: Path) -> tuple[tuple[str, ast.Module], ...]:
    paths = (path for folder in CODE for path in sorted((checkout / folder).rglob("*.py")))
    return tuple((path.relative_to(checkout).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def lines(checkout: Path, *places: str) -> Iterator[tuple[str, str]]:
    for place in places:
        root = checkout / place
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and path.suffix in SUFFIXES:
                for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                    yield f"{path.relative_to(checkout)}:{number}", line


def test_no_text_uses_a_word_of_the_list(checkout: Path) -> None:
    assert [f"{place}: {found[0]}" for place, line in lines(checkout, *PROSE) if (found := WORDS.search(line))] == []


def test_constants_have_the_usual_names(checkout: Path) -> None:
    code = ((place, line) for place, line in lines(checkout, *CODE) if ".py:" in place)
    assert [f"{place}: {found[0]}" for place, line in code if (found := NAMES.search(line))] == []


def test_docstrings_are_sentences_and_each_module_has_one(checkout: Path) -> None:
    wrong = []
    for path, module in modules(checkout):
        if module.body and ast.get_docstring(module) is None:
            wrong.append(f"{path}: no docstring")
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        said = [ast.get_docstring(node) or "" for node in ast.walk(module) if isinstance(node, documented)]
        wrong += [f"{path}: {text[:40]}" for text in said if text.startswith(QUESTIONS)]
    assert wrong == []


@pytest.mark.parametrize("folder", CODE)
def test_no_two_public_classes_of_a_tree_share_a_name(checkout: Path, folder: str) -> None:
    places = defaultdict(list)
    for path, module in modules(checkout):
        for node in module.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and path.startswith(folder):
                places[node.name].append(path)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
