"""A sentence embedding model in ONNX, on this machine: needs the extra `onnx` and a model's folder."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import Field
from pydantic_settings import BaseSettings

from salambot.core.settings import ServiceSettings
from salambot.knowledge.embedders.base import EmbeddingError, Vectors

BATCH = 16
"""Texts of one call: more of them are no faster on a few cores, and padding grows with the longest."""
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""onnxruntime reads it when it is imported, and otherwise tells its maker of each session."""


class OnnxEmbeddingSettings(BaseSettings):
    """The variables of the embedder `onnx`."""

    model_config = ServiceSettings.model_config

    onnx_embedding_model: Path
    """A folder with `model.onnx` and `tokenizer.json`, as exported by Optimum."""
    onnx_embedding_prefix: str = ""
    """The prefix that the model expects before each passage, such as `passage: ` for E5."""
    onnx_embedding_question_prefix: str | None = None
    """The prefix before each question, such as `query: `; by default the same as before a passage."""
    onnx_embedding_tokens: int = Field(default=512, ge=8)


class OnnxEmbedder:
    """Mean pooling over the tokens of the last hidden state; or the model's own `sentence_embedding`."""

    price = 0.0

    def __init__(self, settings: OnnxEmbeddingSettings) -> None:
        folder = settings.onnx_embedding_model
        model, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
        for file in (model, tokenizer):
            if not file.is_file():
                raise ValueError(f"ONNX_EMBEDDING_MODEL: there is no {file}")
        self._session = _optional("onnxruntime").InferenceSession(str(model), providers=["CPUExecutionProvider"])
        self._tokenizer = _optional("tokenizers").Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_padding()
        self._tokenizer.enable_truncation(settings.onnx_embedding_tokens)
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._output = _output([item.name for item in self._session.get_outputs()])
        self._prefix = settings.onnx_embedding_prefix
        asked = settings.onnx_embedding_question_prefix
        self._question_prefix = self._prefix if asked is None else asked
        self.dimensions = self._run(["a"], self._prefix).shape[1]
        made_of = _digest(model) + _digest(tokenizer) + f"{self._prefix}|{settings.onnx_embedding_tokens}".encode()
        self.name = f"onnx/{hashlib.sha256(made_of).hexdigest()[:16]}@{self.dimensions}"

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed on this machine, off the loop."""
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        return np.concatenate([await asyncio.to_thread(self._run, part, self._prefix) for part in parts])

    async def embed_question(self, text: str) -> Vectors:
        """Embed a question, with its own prefix."""
        vector: Vectors = (await asyncio.to_thread(self._run, [text], self._question_prefix))[0]
        return vector

    async def close(self) -> None:
        """Nothing is open."""

    def _run(self, texts: Sequence[str], prefix: str) -> Vectors:
        encoded = self._tokenizer.encode_batch([prefix + text for text in texts])
        mask = np.array([item.attention_mask for item in encoded], dtype=np.int64)
        ids = np.array([item.ids for item in encoded], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            found = self._session.run([self._output], {name: given[name] for name in self._inputs})[0]
        except (KeyError, RuntimeError) as error:
            raise EmbeddingError(f"the ONNX model did not embed: {error}") from error
        return _unit(found if found.ndim == 2 else _mean(found, mask))


def _output(names: Sequence[str]) -> str:
    return "sentence_embedding" if "sentence_embedding" in names else names[0]


def _mean(hidden: Vectors, mask: np.ndarray[Any, np.dtype[np.int64]]) -> Vectors:
    """Average the tokens' states, shape (texts, tokens, dimensions), without the padding."""
    weights = mask[:, :, None].astype(np.float32)
    pooled: Vectors = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return pooled


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return cast("Vectors", np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _optional(name: str) -> Any:  # noqa: ANN401 - a module without types, which is not there without the extra
    given = os.environ.get(_NO_TELEMETRY)
    os.environ[_NO_TELEMETRY] = "1"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"EMBEDDER=onnx needs {name}: in the clone, uv pip install -e '.[onnx]'") from error
    finally:
        os.environ.pop(_NO_TELEMETRY)
        if given is not None:
            os.environ[_NO_TELEMETRY] = given


def open_embedder() -> OnnxEmbedder:
    """Return the embedder, with the settings of the environment."""
    return OnnxEmbedder(OnnxEmbeddingSettings())
