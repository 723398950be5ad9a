"""Origins: written by people, compared with what browsers send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_contracts.url_text import UrlError
from salambot_contracts.web_origin import parse_origin


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://shop.example/", "https://shop.example"),
        ("HTTPS://Shop.Example:443", "https://shop.example"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://shop.example:80", "https://shop.example:80"),
        ("https://مثال.إختبار", "https://xn--mgbh0fb.xn--kgbechtv"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::0001]:8000", "http://[::1]:8000"),
        ("http://192.168.1.5:3000", "http://192.168.1.5:3000"),
    ],
)
def test_an_origin_is_what_a_browser_sends(written: str, sent: str) -> None:
    assert parse_origin(written) == sent
    assert parse_origin(sent) == sent


@pytest.mark.parametrize(
    "written",
    [
        "", "null", "*", "https://*.shop.example", "shop.example", "//shop.example", "https://", "file:///kb",
        "ftp://shop.example", "https://shop.example/chat", "https://shop.example?x=1", "https://shop.example#x",
        "https://user@shop.example", "https://user:word@shop.example", "https://shop.example:99999",
        "https://shop.example, https://other.example", "https://a.example,b.example", "https://sh op.example",
        "https://" + "é" * 70 + ".example",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(written: str) -> None:
    with pytest.raises(UrlError):
        parse_origin(written)


_LABEL = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
_HOST = st.lists(_LABEL, min_size=2, max_size=4).map(".".join)


@given(_HOST, _LABEL, st.sampled_from(["http", "https"]), st.integers(1, 65535))
def test_neighbours_of_an_origin_are_other_origins(host: str, label: str, scheme: str, port: int) -> None:
    origin = parse_origin(f"{scheme}://{host}:{port}")
    other_scheme = "http" if scheme == "https" else "https"
    neighbours = {
        f"{scheme}://{label}.{host}:{port}",
        f"{scheme}://{host}.{label}:{port}",
        f"{scheme}://{label}{host}:{port}",
        f"{scheme}://{host}{label}:{port}",
        f"{scheme}://{host}:{port % 65535 + 1}",
        f"{other_scheme}://{host}:{port}",
    }
    assert origin not in {parse_origin(one) for one in neighbours}


@given(st.text(max_size=60))
def test_any_text_is_an_origin_or_an_error(text: str) -> None:
    try:
        origin = parse_origin(text)
    except UrlError:
        return
    assert origin.isascii()
    assert parse_origin(origin) == origin
