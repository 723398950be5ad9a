"""Embedders by name: `local` needs no model; each other file is one provider."""

from importlib import import_module

from salambot.knowledge.embedders.base import Embedder

EMBEDDERS = ("local", "e5", "onnx", "openai")


def open_embedder(name: str) -> Embedder:
    """Return the embedder that the variable EMBEDDER names; each reads its own settings."""
    if name not in EMBEDDERS:
        raise ValueError(f"EMBEDDER should be one of {', '.join(EMBEDDERS)}, not {name!r}")
    embedder: Embedder = import_module(f"salambot.knowledge.embedders.{name}").open_embedder()
    return embedder
