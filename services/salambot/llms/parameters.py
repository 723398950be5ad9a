"""The parameters that a model's server accepts, learned from its refusals and remembered while the process runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from salambot.llms.openai_http import ApiError
from salambot.llms.thinking import HOLD, HOLD_THINKER, ThinkingFilter

REPLY_TOKENS = 700
MAX_REPLY_TOKENS = 6_000
"""What a model may use that thinks before it answers."""
_MORE = 4
_BAD_REQUEST = frozenset({400, 404, 422})
_NOT_FOUND = 404
_UNKNOWN_MEMBER = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|extra (?:inputs|fields)|not permitted|not allowed"
    r"|additional propert|invalid (?:parameter|field|argument)|does not support|deprecated|no such",
    re.IGNORECASE,
)
_NO_SYSTEM_ROLE = re.compile(
    r"system (?:role|message|prompt)|developer (?:role|instruction)|roles? must alternate", re.IGNORECASE
)
_TOO_LONG = re.compile(
    r"context[_ ](?:length|window|size)|maximum context|too many tokens|prompt is too long|n_ctx", re.IGNORECASE
)


@dataclass
class Parameters:
    """How to ask one model. Every answer of its server that teaches something is asked for again, once each."""

    length_member: str = "max_tokens"
    dropped: set[str] = field(default_factory=set)
    system_role: bool = True
    reply_tokens: int = REPLY_TOKENS
    thinks_unopened: bool | None = None
    """Whether the server leaves out the mark that opens a model's reasoning; None before its first answer."""

    def thinking_filter(self) -> ThinkingFilter:
        """Return a filter for one answer, which waits as long as is needed with this server."""
        return ThinkingFilter(hold={None: HOLD, True: HOLD_THINKER, False: 0}[self.thinks_unopened])

    def note_thinking(self, thinking: ThinkingFilter) -> None:
        """Remember what an answer that ended showed."""
        self.thinks_unopened = bool(self.thinks_unopened) or thinking.closed_unopened

    def limit(self) -> dict[str, object]:
        """Return the member that bounds the answer, or none where the server knows no such member."""
        return {} if self.length_member in self.dropped else {self.length_member: self.reply_tokens}

    def accepted(self, members: Mapping[str, object]) -> dict[str, object]:
        """Return the members that were not refused."""
        return {name: value for name, value in members.items() if name not in self.dropped}

    def learn(self, refused: ApiError) -> bool:
        """Return True if the next question differs by what this refusal teaches."""
        if refused.status not in _BAD_REQUEST or is_too_long(refused):
            return False
        said = f"{refused.param} {refused.message}".strip()
        if self.system_role and _NO_SYSTEM_ROLE.search(said):
            self.system_role = False
            return True
        if said and not refused.param and not _UNKNOWN_MEMBER.search(said):
            return False
        sent = [name for name in ("stream_options", "store", self.length_member) if name not in self.dropped]
        named = [name for name in sent if re.search(rf"\b{name}\b", said)]
        if not named and (refused.param or refused.status == _NOT_FOUND):
            return False
        return self._do_without((named or sent)[:1])

    def _do_without(self, names: list[str]) -> bool:
        for name in names:
            if name == "max_tokens":
                self.length_member = "max_completion_tokens"
            else:
                self.dropped.add(name)
        return bool(names)

    def raise_budget(self) -> bool:
        """Return True if the next answer may be longer: this one was used up by thinking."""
        if self.reply_tokens >= MAX_REPLY_TOKENS or self.length_member in self.dropped:
            return False
        self.reply_tokens = min(MAX_REPLY_TOKENS, self.reply_tokens * _MORE)
        return True


def is_too_long(refused: ApiError) -> bool:
    """Return True if a question was refused for its length."""
    return "context_length_exceeded" in refused.codes or (
        refused.status in _BAD_REQUEST | {413} and _TOO_LONG.search(refused.message) is not None
    )
