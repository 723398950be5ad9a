"""What cloudflared says when it refuses, and what answers in its place, told in words."""

import pytest

from salambot_cli.host.probe_http import Answer
from salambot_cli.stack.runtimes.tunnel_faults import explain_answer, explain_start
from salambot_cli.stack.supervisor_client import UnitFailedError

LIMIT = (
    '{"level":"error","status_code":"429 Too Many Requests",'
    '"message":"Error unmarshaling QuickTunnel response: error code: 1015"}'
)


@pytest.mark.parametrize(
    ("lines", "what", "fix"),
    [
        ((LIMIT, "failed to unmarshal quick Tunnel"), "refuses another quick tunnel", "wait"),
        (('Post "https://api.trycloudflare.com/tunnel": dial tcp: lookup api: no such host',), "look up", "getent"),
        (("Incorrect Usage: flag provided but not defined: -output",), "too old", "upgrade"),
        (('{"level":"error","error":"dial tcp 198.41.1.1:7844: i/o timeout","message":"Serve"}',), "reach", "7844"),
        (('{"level":"info","message":"Requesting"}', "the edge refuses"), "did not start", "salambot logs"),
    ],
)
def test_a_refusal_is_told_without_raw_json(lines: tuple[str, ...], what: str, fix: str) -> None:
    told = explain_start(UnitFailedError("tunnel", "it ended with status 1", lines))
    assert what in told.what
    assert fix in told.fix
    assert '{"' not in told.what + told.why + told.fix


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (302, {"location": "https://login.example/cdn-cgi/access/login?x=1"}, "login.example"),
        (404, {}, "something else answers"),
        (403, {}, "a rule of the edge"),
        (530, {}, "no tunnel to us"),
        (200, {}, "something else answers"),
    ],
)
def test_another_answer_than_ours_is_told(status: int, headers: dict[str, str], said: str) -> None:
    told = explain_answer("https://shop.trycloudflare.com", Answer(status, headers, b""))
    assert "does not lead to this gateway" in told.what
    assert said in told.why
