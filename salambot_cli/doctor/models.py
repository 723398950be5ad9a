"""openai.*: the key, and the account's quota, which only a real request shows."""

import json

from salambot_cli.doctor.connection_findings import broken_url, http_failure
from salambot_cli.doctor.paths import blocked
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok, unknown
from salambot_cli.host.probe_http import Answer, host_and_port, request
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_contracts.http_url import parse_openai_url
from salambot_contracts.url_text import UrlError

CHECK = "openai.access"
_OPENAI = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-4.1-mini"
"""What `nlu` asks where OPENAI_MODEL names none."""


async def check_model(exam: ProbeContext) -> Finding:
    """List the models (free), then ask for one token: an empty account shows only there."""
    try:
        base = parse_openai_url(exam.value("OPENAI_BASE_URL") or _OPENAI).text()
    except UrlError as error:
        return broken_url(CHECK, "OPENAI_BASE_URL", f"{error.reason}; {error.remedy}")
    if (stopped := await blocked(exam, CHECK, base, "OPENAI_BASE_URL")) is not None:
        return stopped
    headers = {"Authorization": f"Bearer {exam.value('OPENAI_API_KEY') or ''}"}
    listed = await request("GET", f"{base}/models", headers=headers, seconds=5)
    failed = http_failure(CHECK, listed, "OPENAI_BASE_URL") or _no_answer(listed, base) or _refused(listed, base)
    if failed is not None:
        return failed
    model = exam.value("OPENAI_MODEL") or DEFAULT_MODEL
    body = {"model": model, "messages": [{"role": "user", "content": "1"}], "max_completion_tokens": 1}
    asked = await request(
        "POST",
        f"{base}/chat/completions",
        headers={**headers, "Content-Type": "application/json"},
        content=json.dumps(body).encode(),
        seconds=8,
    )
    if asked.contact is not None:
        return unknown(CHECK, f"The model gave no answer: {asked.contact.reach}", host=host_and_port(base)[0])
    return _refused(asked, base) or ok(CHECK, f"{host_and_port(base)[0]} answers", model=model)


def _no_answer(answer: Answer, base: str) -> Finding | None:
    if answer.contact is None:
        return None
    host, how = host_and_port(base)[0], answer.contact.reach
    evidence: Facts = {"host": host, "reach": str(how), "detail": answer.contact.detail}
    return fault("openai.unavailable", CHECK, f"{host} takes the connection and gives no answer ({how})", evidence)


def _refused(answer: Answer, base: str) -> Finding | None:
    code = _code(answer)
    evidence: Facts = {"host": host_and_port(base)[0], "status": answer.status, "code": code, "says": answer.text[:200]}
    retry = answer.headers.get("retry-after")
    match answer.status:
        case 401 | 403:
            title = f"The model provider refuses the key ({answer.status})"
            text = "Make a new key and store it as OPENAI_API_KEY where the environment reads it."
            return fault("openai.bad-key", CHECK, title, evidence, text=text)
        case 429 if code == "insufficient_quota":
            title = "The account of OPENAI_API_KEY has no credit left"
            commands = ("open https://platform.openai.com/settings/organization/billing",)
            return fault("openai.quota", CHECK, title, {**evidence, "kind": "quota"}, commands, text="Add credit.")
        case 429:
            title = "The model provider limits the rate of requests"
            text = f"It passes by itself{f' after {retry} s' if retry else ''}: send less at once, or raise the tier."
            return fault("openai.quota", CHECK, title, {**evidence, "kind": "rate", "retry_after": retry}, text=text)
        case status if status >= 500:
            return fault("openai.unavailable", CHECK, f"The model provider answers {status}", evidence)
        case _:
            return None


def _code(answer: Answer) -> str | None:
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    code = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
    return str(code) if code else None


def _by_openai(environment: Environment) -> bool:
    return environment.placement("llm") == "openai"


PROBES = (
    Probe(
        CHECK,
        "llm",
        "Language model: key and quota",
        check_model,
        ("openai.quota", "openai.bad-key", "openai.unavailable"),
        (),
        _by_openai,
        seconds=25,
        parts=("llm",),
        reads=("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"),
        after=("host.clock", "net.path"),
    ),
)
