"""Whatever is printed is read back as the same, and whatever a password holds, it is found in no message."""

import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_contracts.http_url import HttpUrl, parse_http_url, parse_openai_url, parse_qdrant_url
from salambot_contracts.pasted_text import clean, find_pasted, is_invisible
from salambot_contracts.postgres_url import PostgresUrl, parse_postgres_url
from salambot_contracts.redis_url import RedisUrl, parse_redis_url
from salambot_contracts.url_text import Host, UrlError

visible = st.characters(codec="utf-8").filter(lambda character: not is_invisible(character))
words = st.text(visible, min_size=1, max_size=20).filter(lambda text: text == text.strip(" "))
passwords = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?){0,3}", fullmatch=True)
addresses = st.ip_addresses().map(str)
ports = st.integers(1, 65535)
hosts = st.builds(Host, names | addresses, ports)
sockets = st.from_regex(r"(/[a-z0-9._:-]{1,9}){1,3}", fullmatch=True)
paths = st.none() | st.from_regex(r"(/[A-Za-z0-9 ._-]{1,9}){1,3}", fullmatch=True)
postgres_urls = st.builds(
    PostgresUrl,
    hosts=st.lists(hosts, min_size=1, max_size=3).map(tuple)
    | st.builds(Host, sockets, ports).map(lambda host: (host,)),
    user=words,
    database=words,
    password=st.none() | passwords,
    sslmode=st.sampled_from([None, "disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
    sslrootcert=paths,
    direct_tls=st.booleans(),
    target_session_attrs=st.sampled_from(["any", "read-write", "primary"]),
    connect_timeout=st.none() | st.integers(1, 60).map(float),
    pool_size=st.none() | st.integers(1, 100),
    is_pooled=st.just(True),
)
redis_urls = st.builds(
    RedisUrl,
    host=names | addresses,
    port=ports,
    tls=st.just(True),
    user=st.none() | words,
    password=st.none() | passwords,
    database=st.integers(0, 2**31 - 1),
    verification=st.sampled_from(["required", "optional"]),
    check_hostname=st.booleans(),
    ca=paths,
)


@given(postgres_urls)
def test_postgres(url: PostgresUrl) -> None:
    assert parse_postgres_url(url.text()) == url


@given(redis_urls)
def test_redis(url: RedisUrl) -> None:
    assert parse_redis_url(url.text()) == url


@given(st.builds(RedisUrl, host=sockets, user=st.none() | words, password=st.none() | passwords))
def test_redis_behind_a_socket(url: RedisUrl) -> None:
    assert parse_redis_url(url.text()) == url


@given(st.builds(HttpUrl, st.sampled_from(["http", "https"]), names | addresses, st.none() | ports, st.just("/v1")))
def test_http(url: HttpUrl) -> None:
    assert parse_http_url(url.text()) == url
    assert parse_http_url(f"{url.text()}/") == url
    for parse in (parse_qdrant_url, parse_openai_url):
        if url.port != 6334:
            assert parse(parse(url.text()).text()) == parse(url.text())


@given(passwords)
def test_a_password_that_is_encoded_arrives_whole(password: str) -> None:
    encoded = quote(password, safe="")
    assert parse_postgres_url(f"postgres://u:{encoded}@db.example.com/d").password == password
    assert parse_redis_url(f"rediss://:{encoded}@cache.example.com").password == password


raw_passwords = st.text(st.sampled_from("abcXYZ019#/?@[]%:&=+!$'()*,;~ \\{}|^<>\"é"), min_size=4, max_size=16)


@given(raw_passwords, st.sampled_from(["postgres", "rediss"]))
def test_a_raw_password_is_read_as_it_is_or_refused_without_showing_it(password: str, scheme: str) -> None:
    """Never read as another password, as another host, or shown."""
    secret = f"Q7{password}Z9"
    read = read_or_refused(f"{scheme}://user:{secret}@db.example.com:6000/0")
    if isinstance(read, UrlError):
        assert secret not in str(read)
        assert not any(part in str(read) for part in re.split("[@#/?]", secret) if len(part) > 6)
    else:
        assert not isinstance(read, HttpUrl)
        assert read.password == unquote(secret)
        assert (read.host, read.port) == ("db.example.com", 6000)


Url = PostgresUrl | RedisUrl | HttpUrl


def read_or_refused(text: str, parse: Callable[[str], Url] | None = None) -> Url | UrlError:
    """Read a URL by its scheme; a refusal comes back as a value."""
    parse = parse or {"postgres": parse_postgres_url, "rediss": parse_redis_url}[text.partition(":")[0]]
    try:
        return parse(text)
    except UrlError as error:
        return error


@pytest.mark.parametrize(
    "parse", [parse_postgres_url, parse_redis_url, parse_http_url, parse_qdrant_url, parse_openai_url]
)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(parse: Callable[[str], Url], text: str) -> None:
    for candidate in (text, f"postgres://{text}", f"redis://u:p@{text}", f"https://h/{text}"):
        read = read_or_refused(candidate, parse)
        assert not isinstance(read, UrlError) or (read.reason and read.remedy)


@given(st.text(max_size=30))
def test_a_cleaned_text_holds_nothing_pasted(text: str) -> None:
    assert find_pasted(clean(text)) == ()
    assert (clean(text) == text) == (find_pasted(text) == ())
