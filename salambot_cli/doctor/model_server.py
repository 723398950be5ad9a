"""A server with OpenAI's protocol, and what it says when it refuses: by status, code and words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from salambot_cli.doctor.http_service import MOVED, ask, retry_seconds, web_page
from salambot_cli.doctor.probe import fault
from salambot_cli.host.probe_http import Answer
from salambot_cli.model.finding import Facts, Finding

_ANSWER_SECONDS = 16.0
"""A model on a slow machine is loaded by the first question."""
_BILLING = "https://platform.openai.com/settings/organization/billing"
_QUOTA = re.compile(
    r"insufficient_quota|billing|not active|insufficient (?:credits?|balance|funds)|credit balance|no credits?\b"
    r"|payment required|exceeded your current quota|requires (?:more|at least)",
    re.IGNORECASE,
)
_REGION = re.compile(r"unsupported_country|country|territor|\bregion\b|location is not supported", re.IGNORECASE)
_MODEL = re.compile(r"\bmodels?\b|model_|_model|deployment", re.IGNORECASE)
_OWNER = re.compile(r"organi[sz]ation|\bproject\b|_project", re.IGNORECASE)
_ADDRESS = re.compile(r"ip_not_authorized|\bip address|allow ?list", re.IGNORECASE)
_CLOSED = re.compile(r"deactivated|suspended|disabled|terminated", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A server with OpenAI's protocol, and the variables that name it."""

    check: str
    base: str
    url_variable: str
    key: str = field(repr=False)
    key_variable: str
    model: str
    model_variable: str

    @property
    def host(self) -> str:
        """Return the name of the server."""
        return urlsplit(self.base).hostname or ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    async def post(self, path: str, body: Mapping[str, object], seconds: float = _ANSWER_SECONDS) -> Answer:
        """Ask one question."""
        content = json.dumps(body).encode()
        return await ask("POST", f"{self.base}{path}", headers=self.headers, content=content, seconds=seconds)


def told(answer: Answer) -> tuple[str, str]:
    """Return the code and the words of a refusal: OpenAI's envelope, or a bare `message` or `detail`."""
    body = answer.json()
    if not isinstance(body, dict):
        return "", "" if web_page(answer) else answer.text[:300]
    error = body.get("error", body)
    if not isinstance(error, dict):
        return "", str(error)[:300]
    code = error.get("code") or error.get("type") or ""
    words = error.get("message") or error.get("detail") or body.get("detail") or ""
    return str(code), str(words)[:300]


def refusal(server: ModelServer, answer: Answer, *, only: str | None = None) -> Finding | None:
    """Name what a refusal is about; None for an answer that is none. `only` asks for one kind alone."""
    status = _status(answer)
    if status < 300:
        return None
    code, words = told(answer)
    said = f"{code} {words}"
    kind = "fails" if status == 403 and web_page(answer) else _kind(status, said, server)
    if only is not None and kind != only:
        return None
    evidence: Facts = {"host": server.host, "status": answer.status, "code": code or None, "says": words or None}
    return _finding(server, answer, kind, {**evidence, "kind": kind})


def _status(answer: Answer) -> int:
    """Return the status; routers of several models send errors with status 200, and their own inside."""
    body = answer.json()
    if answer.status >= 300 or not isinstance(body, dict) or not body.get("error"):
        return answer.status
    if body.get("choices") or body.get("output"):
        return answer.status
    code = body["error"].get("code") if isinstance(body["error"], dict) else None
    return int(code) if isinstance(code, int | str) and str(code).isdigit() else 502


def _kind(status: int, said: str, server: ModelServer) -> str:
    if status in {402, 429} or (status in {400, 403} and _QUOTA.search(said)):
        return "quota" if status == 402 or _QUOTA.search(said) else "rate"
    if status in {400, 403} and _REGION.search(said):
        return "region"
    if status in {400, 403, 404, 422} and (_MODEL.search(said) or server.model in said):
        return "model"
    if status in {401, 403}:
        return _kind_of_key(said, server)
    return "moved" if status in MOVED else "fails"


def _kind_of_key(said: str, server: ModelServer) -> str:
    if not server.key:
        return "no-key"
    for kind, pattern in (("owner", _OWNER), ("address", _ADDRESS), ("closed", _CLOSED)):
        if pattern.search(said):
            return kind
    return "key"


def _finding(server: ModelServer, answer: Answer, kind: str, evidence: Facts) -> Finding:
    match kind:
        case "quota" | "rate":
            return _quota(server, answer, kind, evidence)
        case "model":
            title = f"{server.host} has no model {server.model} for this key ({answer.status})"
            text = f"Correct {server.model_variable}, or have this key's project given access to {server.model}."
            command = f'curl -s {server.base}/models -H "Authorization: Bearer ${server.key_variable}"'
            return fault(
                "openai.unavailable", server.check, title, {**evidence, "model": server.model}, (command,), text=text
            )
        case "region":
            title = f"{server.host} does not serve the country or region that this machine calls from ({answer.status})"
            text = f"Call from a supported region, or name a server there in {server.url_variable}."
            return fault("openai.unavailable", server.check, title, evidence, text=text)
        case "fails":
            page = web_page(answer)
            what = f"{answer.status}, with {page}" if page else answer.status
            return fault("openai.unavailable", server.check, f"The model provider answers {what}", evidence)
        case "moved":
            target = answer.headers.get("location", "nowhere")
            text = f"Write the address that it leads to in {server.url_variable}."
            title = f"{server.base} redirects to {target}, where no question is sent"
            return fault("openai.unavailable", server.check, title, {**evidence, "location": target}, text=text)
        case _:
            return _bad_key(server, answer, kind, evidence)


def _quota(server: ModelServer, answer: Answer, kind: str, evidence: Facts) -> Finding:
    retry = retry_seconds(answer)
    if kind == "rate":
        title = "The model provider limits the rate of requests"
        after = f" after {retry:g} s" if retry else ""
        text = f"It passes by itself{after}: send less at once, or raise the tier."
        return fault("openai.quota", server.check, title, {**evidence, "retry_after": retry}, text=text)
    title = f"The account of {server.key_variable} has no credit left, or its billing is not active"
    commands = (f"open {_BILLING}",) if server.host.endswith("openai.com") else ()
    text = f"Add credit, or activate the account's billing at {server.host}: waiting changes nothing."
    return fault("openai.quota", server.check, title, evidence, commands, text=text)


_KEY_TEXTS = {
    "no-key": ("{host} asks for a key, and {key} is not set", "Make a key and store it as {key}."),
    "owner": (
        "The key is of another organisation or project than the one that is asked for ({status})",
        "Take OPENAI_ORG_ID and OPENAI_PROJECT_ID out of the environment, or use a key of that organisation as {key}.",
    ),
    "address": (
        "The model provider takes the key from other addresses only ({status})",
        "Add this machine's public address to the key's allowed ones, or call from one of them.",
    ),
    "closed": (
        "The account of {key} is closed or suspended ({status})",
        "Ask the provider's support, or use a key of another account as {key}.",
    ),
    "key": (
        "The model provider refuses the key ({status})",
        "Make a new key and store it as {key} where the environment reads it.",
    ),
}


def _bad_key(server: ModelServer, answer: Answer, kind: str, evidence: Facts) -> Finding:
    title, text = (
        words.format(host=server.host, key=server.key_variable, status=answer.status) for words in _KEY_TEXTS[kind]
    )
    return fault("openai.bad-key", server.check, title, {**evidence, "variable": server.key_variable}, text=text)


def unavailable(server: ModelServer, answer: Answer, title: str, kind: str, *, text: str | None = None) -> Finding:
    """Say that what answers is not the API, or not where it should be."""
    evidence: Facts = {
        "host": server.host,
        "status": answer.status,
        "variable": server.url_variable,
        "kind": kind,
        "says": answer.text[:120],
    }
    usual = f"Correct {server.url_variable}: something else answers there, or a portal asks for a sign-in first."
    return fault("openai.unavailable", server.check, title, evidence, text=text or usual)
