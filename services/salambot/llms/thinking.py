"""Take a model's reasoning out of its answer: some servers leave it in the text, between marks of the model's own."""

import re

_MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
_OPENS = re.compile("|".join(re.escape(mark) for mark, _ in _MARKS), re.IGNORECASE)
_CLOSES = re.compile("|".join(re.escape(mark) for _, mark in _MARKS), re.IGNORECASE)
_CLOSE_OF = {opens.casefold(): closes.casefold() for opens, closes in _MARKS}
_SPECIAL = re.compile(
    r"<\|(?:im_end|im_start|eot_id|end|endoftext|start|return|message|end_of_solution|begin_of_solution)\|>|</s>"
)
_MAX_MARK_LENGTH = max(len(mark) for pair in _MARKS for mark in pair)


HOLD = 8_000
"""Characters held of the first answer in pieces: only its end shows whether reasoning stood before, unmarked."""
HOLD_THINKER = 100_000
"""Characters held where a server is known to leave out the opening mark: more than it may write."""


class ThinkingFilter:
    """Drop reasoning from a text that arrives in pieces.

    `hold`: how many characters wait for a closing mark without its opening one: some templates open the reasoning
    themselves, so that the answer holds only its closing mark.
    """

    def __init__(self, *, hold: int = 0) -> None:
        self._held = ""
        self._hold = hold
        self._closes: str | None = None
        self._begins = True
        self.closed_unopened = False

    def feed(self, piece: str) -> str:
        """Return the text that is certainly no reasoning; the start of what may become a mark waits."""
        text = self._held + piece
        if self._hold and not (_OPENS.search(text) or _CLOSES.search(text) or len(text) > self._hold):
            self._held = text
            return ""
        self._hold = 0
        said: list[str] = []
        while True:
            if self._closes is not None:
                end = self._end_of_thinking(text)
                if end is None:
                    self._held = text[-_MAX_MARK_LENGTH:]
                    break
                text, self._closes, self._begins = text[end:].lstrip(), None, True
            opened = _OPENS.search(text)
            closed = _CLOSES.search(text)
            if closed and (opened is None or closed.start() < opened.start()):
                self.closed_unopened = True  # what stood before was reasoning: only of a whole text it can be dropped
                text = text[closed.end() :].lstrip()
                self._begins = True
                said.clear()
                continue
            if opened is None:
                held = _start_of_a_mark(text)
                said.append(text[: len(text) - held])
                self._held = text[len(text) - held :]
                break
            said.append(text[: opened.start()])
            self._closes = _CLOSE_OF[opened[0].casefold()]
            text = text[opened.end() :]
        return self._without_margin(_SPECIAL.sub("", "".join(said)))

    def finish(self, *, is_cut: bool = False) -> str:
        """Return what was still waiting, unless it is reasoning that was never closed.

        `is_cut`: a limit ended the text. Of a server that leaves out the opening mark it is reasoning then.
        """
        is_reasoning = self._closes is not None or (is_cut and self._hold == HOLD_THINKER)
        rest = "" if is_reasoning else _SPECIAL.sub("", self._held)
        self._held = ""
        return self._without_margin(rest)

    def _without_margin(self, text: str) -> str:
        """Drop the white space between reasoning and answer."""
        said = text.lstrip() if self._begins else text
        self._begins = self._begins and not said
        return said

    def _end_of_thinking(self, text: str) -> int | None:
        at = text.casefold().find(self._closes or "")
        return None if at < 0 else at + len(self._closes or "")


def _start_of_a_mark(text: str) -> int:
    """Return how many characters at the end of a text may begin a mark."""
    tail = text[-_MAX_MARK_LENGTH:].casefold()
    marks = [mark.casefold() for pair in _MARKS for mark in pair] + ["<|im_end|>", "<|endoftext|>", "</s>"]
    return next(
        (
            len(tail) - start
            for start in range(len(tail))
            if any(mark.startswith(tail[start:]) and mark != tail[start:] for mark in marks)
        ),
        0,
    )
