"""Signatures: the two vectors of the API reference, rotation, and what is said of a wrong one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot.core.signatures import (
    active_values,
    sign_meta,
    sign_standard,
    verify_meta,
    verify_standard,
    was_rewritten,
)
from tests.events import APP_SECRET, WEBHOOK_SECRET

VECTOR = rb'{"t":"\u0633\u0644\u0627\u0645"}'
DIGEST = "813dd96e841cbba0ca2bf94a667b5b1fe1d0d09c94b47b3f87ceb42fa3579f84"
IDENTIFIER, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

bodies = st.binary(max_size=200)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1, max_size=40)


def test_vector_of_meta() -> None:
    assert sign_meta(APP_SECRET, VECTOR) == f"sha256={DIGEST}"
    assert verify_meta([APP_SECRET], f"sha256={DIGEST}", VECTOR)


def test_vector_of_standard_webhooks() -> None:
    assert sign_standard(WEBHOOK_SECRET, IDENTIFIER, TIMESTAMP, BODY) == SIGNATURE
    assert verify_standard([WEBHOOK_SECRET], IDENTIFIER, TIMESTAMP, f"v1,AAAA {SIGNATURE}", BODY)


@pytest.mark.parametrize(
    "header", ["", DIGEST, f"sha1={DIGEST}", f"sha256={DIGEST.upper()}", f"sha256={DIGEST} ", f"SHA256={DIGEST}", "é"]
)
def test_only_the_form_that_meta_writes_is_taken(header: str) -> None:
    assert not verify_meta([APP_SECRET], header, VECTOR)


@given(bodies, secrets, secrets)
def test_either_secret_of_a_rotation_is_taken(body: bytes, new: str, old: str) -> None:
    both = active_values(f" {new} , {old} ")
    assert verify_meta(both, sign_meta(old, body), body)
    assert verify_meta(both, sign_meta(new, body), body)


@given(bodies, secrets, st.data())
def test_one_changed_byte_is_noticed(body: bytes, secret: str, data: st.DataObject) -> None:
    changed = bytearray(body + b"x")
    position = data.draw(st.integers(0, len(changed) - 1))
    changed[position] ^= data.draw(st.integers(1, 255))
    assert not verify_meta([secret], sign_meta(secret, body + b"x"), bytes(changed))


@given(bodies, st.text(max_size=300))
def test_whatever_stands_in_the_header_nothing_breaks(body: bytes, header: str) -> None:
    assert not verify_meta([APP_SECRET], header, body)
    assert not verify_standard([WEBHOOK_SECRET], "id", "1", header, body)


@pytest.mark.parametrize("text", ['{"t": "سلام"}', '{"t":"سلام"}', '{"t": "\\u0633\\u0644\\u0627\\u0645"}'])
def test_a_body_that_a_proxy_wrote_anew_is_recognised(text: str) -> None:
    assert was_rewritten(text.encode(), lambda other: verify_meta([APP_SECRET], f"sha256={DIGEST}", other))


def test_another_secret_or_document_is_no_rewriting() -> None:
    assert not was_rewritten(VECTOR, lambda other: verify_meta(["another"], f"sha256={DIGEST}", other))
    other_text = json.dumps({"t": "other"}).encode()
    assert not was_rewritten(other_text, lambda other: verify_meta([APP_SECRET], f"sha256={DIGEST}", other))


def test_a_secret_without_base64_says_so() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        sign_standard("whsec_!", "id", "1", b"")
