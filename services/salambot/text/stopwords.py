"""Words that say nothing about a question's subject, folded, in the five ways our users write."""

from pathlib import Path

STOPWORDS = frozenset(Path(__file__).with_name("stopwords.txt").read_text(encoding="utf-8").split())
