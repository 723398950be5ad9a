"""The embedder `onnx` over a model that is made here: a table of word vectors, pooled by the embedder."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from salambot.knowledge.embedders.onnx import OnnxEmbedder, OnnxEmbeddingSettings
from tests.knowledge import KnowledgeBase

WORDS = ["[PAD]", "[UNK]", "retour", "remise", "إرجاع", "heures"]
TABLE = np.array([[9, 9], [0, 0], [1, 0], [0, 1], [1, 0.1], [0, -1]], dtype=np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write `model.onnx` (ids → a row of TABLE each) and `tokenizer.json`."""
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    shape = ["texts", "tokens"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "words",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, 2])],
        [numpy_helper.from_array(TABLE, "table")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, str(tmp_path / "model.onnx"))
    return tmp_path


async def test_vectors_are_pooled_without_padding_and_have_length_1(model: Path) -> None:
    embedder = OnnxEmbedder(OnnxEmbeddingSettings(onnx_embedding_model=model))
    texts = ["retour", "retour remise", "inconnu", "إرجاع retour retour", *["heures"] * 20]
    vectors = await embedder.embed(texts)
    assert vectors.shape == (24, 2)
    assert np.allclose(vectors[0], [1, 0])
    assert np.allclose(vectors[1], [0.5**0.5, 0.5**0.5])
    assert np.allclose(vectors[2], [0, 0]), "nothing was understood"
    assert vectors[3] @ vectors[0] > 0.99
    assert np.allclose(vectors[-1], [0, -1])
    assert (await embedder.embed([])).shape == (0, 2)
    await embedder.close()


async def test_another_model_or_prefix_has_another_name(model: Path) -> None:
    plain = OnnxEmbedder(OnnxEmbeddingSettings(onnx_embedding_model=model))
    prefixed = OnnxEmbedder(OnnxEmbeddingSettings(onnx_embedding_model=model, onnx_embedding_prefix="remise "))
    assert plain.name != prefixed.name
    assert plain.name.endswith("@2")
    assert np.allclose((await prefixed.embed(["retour"]))[0], (await plain.embed(["remise retour"]))[0])


async def test_the_job_indexes_with_it_and_says_what_is_missing(model: Path, tmp_path: Path, database_url: str) -> None:
    base = KnowledgeBase(tmp_path / "objects", database_url, EMBEDDER="onnx", ONNX_EMBEDDING_MODEL=str(model))
    base.write({"a.txt": "retour sous 14 jours"})
    assert (await base.seed())["chunks"] == {"embedded": 1, "upserted": 1, "deleted": 0}
    nowhere = KnowledgeBase(tmp_path / "objects", database_url, EMBEDDER="onnx", ONNX_EMBEDDING_MODEL="/nowhere")
    assert "ONNX_EMBEDDING_MODEL: there is no /nowhere/model.onnx" in str((await nowhere.seed(status=1))["error"])
