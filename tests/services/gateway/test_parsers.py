"""What the gateway reads from headers, against everything that a header may hold."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from salambot.core import tracing
from salambot.core.problems import Problem
from salambot.gateway.auth import read_bearer
from salambot.gateway.client_address import has_loopback_host, is_forwarded
from salambot.gateway.idempotency import read_key

KEYS = st.text("ABCxyz019_-", min_size=1, max_size=128)
TOKENS = st.from_regex(r"[A-Za-z0-9\-._~+/]{1,200}={0,2}", fullmatch=True)
ANYTHING = st.text(st.characters(max_codepoint=255), max_size=200)


def _outcome(read: Callable[[list[str]], str | None], values: list[str]) -> str | Problem | None:
    try:
        return read(values)
    except Problem as problem:
        return problem


@given(KEYS, st.booleans())
def test_a_key_is_the_same_quoted_or_bare(key: str, quoted: bool) -> None:
    assert read_key([f'"{key}"' if quoted else key]) == key


@given(ANYTHING)
@example("a\n")
def test_a_key_is_in_its_alphabet_or_refused(value: str) -> None:
    key = _outcome(read_key, [value])
    if isinstance(key, Problem):
        assert key.status == 422
    else:
        assert key is not None
        assert 1 <= len(key) <= 128
        assert key.isascii()
        assert key.replace("_", "x").replace("-", "x").isalnum()


@given(TOKENS, st.sampled_from(["Bearer", "bearer", "BEARER"]), st.integers(1, 3))
def test_a_bearer_token_is_found(token: str, scheme: str, spaces: int) -> None:
    assert read_bearer([scheme + " " * spaces + token]) == token


@given(st.lists(ANYTHING, max_size=3))
@example(["Bearer x\n"])
def test_any_other_authorization_is_a_401(values: list[str]) -> None:
    token = _outcome(read_bearer, values)
    if isinstance(token, Problem):
        assert token.status == 401
        assert (token.headers or {})["WWW-Authenticate"].startswith("Bearer")
    else:
        assert token is not None
        assert len(values) == 1
        assert values[0].endswith(token)


@given(st.text(st.characters(max_codepoint=0x17F), max_size=150))
def test_a_correlation_id_is_printable_ascii_or_none(value: str) -> None:
    found = tracing.read_correlation(value)
    fits = 1 <= len(value) <= 128 and all("!" <= character <= "~" for character in value)
    assert found == (value if fits else None)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 1), st.booleans())
def test_a_trace_is_continued_inside_and_begun_anew_at_the_edge(
    trace: int, span: int, flags: int, public: bool
) -> None:
    given_header = f"00-{trace:032x}-{span:016x}-{flags:02x}"
    with tracing.request_trace({"traceparent": given_header, "x-correlation-id": "c"}, public=public):
        version, trace_id, span_id, sampled = tracing.propagate()["traceparent"].split("-")
        assert (trace_id == f"{trace:032x}") is not public
        assert tracing.trace_id() == trace_id
        assert span_id != f"{span:016x}"
        assert version == "00"
        assert public or sampled == f"{flags:02x}"
    assert tracing.correlation_id() == ""


@given(ANYTHING, ANYTHING)
@example("00-" + "0" * 32 + "-" + "1" * 16 + "-01", "")
@example("ff-" + "1" * 32 + "-" + "1" * 16 + "-01", "")
def test_a_request_has_ids_whatever_it_says(traceparent: str, tracestate: str) -> None:
    with tracing.request_trace({"traceparent": traceparent, "tracestate": tracestate}, public=False):
        assert int(tracing.trace_id(), 16) > 0
        assert tracing.correlation_id().startswith("corr_")
        tracing.propagate()


@given(st.sampled_from(["X-Forwarded-", "CF-"]), st.text("abcXYZ-", min_size=1, max_size=20))
def test_every_sign_of_a_proxy_counts(prefix: str, rest: str) -> None:
    assert is_forwarded({"headers": Headers({prefix + rest: "x"}).raw})


BROWSER = (
    "Accept Accept-Encoding Accept-Language Authorization Cache-Control Connection Content-Length Content-Type Cookie "
    "Device-Memory DNT Downlink ECT Host If-Modified-Since If-None-Match Idempotency-Key Keep-Alive Last-Event-ID "
    "Origin Pragma Priority Range Referer RTT Save-Data Sec-CH-UA Sec-Fetch-Site Sec-GPC Service-Worker TE Traceparent "
    "Upgrade-Insecure-Requests User-Agent Viewport-Width X-Correlation-ID X-Requested-With X-SalamBot-Console"
)


@pytest.mark.parametrize("name", BROWSER.split())
def test_what_a_browser_sends_is_no_sign_of_a_proxy(name: str) -> None:
    assert not is_forwarded({"headers": Headers({name: "max-age=0"}).raw})


@given(ANYTHING)
@example("localhost.")
@example("localhost@evil.example")
@example("evil.example:localhost")
@example("[::1]")
def test_only_three_names_are_this_machine(host: str) -> None:
    name = host.partition(":")[0].lower()
    found = has_loopback_host({"headers": [(b"host", host.encode("latin-1"))]})
    assert found is (name in {"localhost", "127.0.0.1", "gateway"})


@pytest.mark.parametrize("hosts", [[], [b"localhost", b"localhost"], [b"localhost", b"evil.example"]])
def test_one_host_is_needed(hosts: list[bytes]) -> None:
    assert not has_loopback_host({"headers": [(b"host", host) for host in hosts]})
