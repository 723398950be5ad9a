"""A value that is there and cannot work is told from one that can, whatever it holds; the value is never shown."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.doctor.values import oddity_of

DATABASE = "postgres://app:{}@db.example:5432/salambot?sslmode=verify-full"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("OPENAI_API_KEY", "sk-abc\n", "line-end"),
        ("OPENAI_API_KEY", '"sk-abc"', "quotes"),
        ("OPENAI_API_KEY", "sk-abc\u00a0", "characters"),
        ("OPENAI_API_KEY", "\u201csk-abc", "characters"),
        ("OPENAI_API_KEY", "sk-…", "place-holder"),
        ("PINECONE_API_KEY", "<your key>", "place-holder"),
        ("PINECONE_API_KEY", "${PINECONE_API_KEY}", "place-holder"),
        ("POSTGRES_URL", DATABASE.format("pa?ss"), "url"),
        ("POSTGRES_URL", DATABASE.format("pa/ss"), "url"),
        ("POSTGRES_URL", DATABASE.format("pa#ss"), "url"),
        ("POSTGRES_URL", DATABASE.format("pa@ss"), "url"),
        ("POSTGRES_URL", DATABASE.format("pa%2540ss"), "encoded-twice"),
        ("POSTGRES_URL", "postgres://app:x@db.example:54x2/salambot", "url"),
        ("POSTGRES_URL", "mysql://app:x@db.example/salambot", "url"),
        ("REDIS_URL", "cache.example:6379", "url"),
        ("REDIS_URL", "rediss://:x@:6379/0", "url"),
        ("QDRANT_URL", "https://:6333", "url"),
        ("OPENAI_BASE_URL", "api.openai.com/v1", "url"),
        ("POSTGRES_URL", DATABASE.format("p%40s%2Fs%3Aw%23r%3Fd%25"), None),
        ("OPENAI_API_KEY", "sk-proj-abc_DEF-123", None),
        ("REDIS_URL", "rediss://:tok@cache.example:6379/0", None),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:4318", None),
        ("META_VERIFY_TOKEN", "a b", "characters"),
    ],
)
def test_an_oddity_is_named_by_its_kind(name: str, value: str, kind: str | None) -> None:
    oddity = oddity_of(name, value)

    assert (oddity[0] if oddity else None) == kind
    assert oddity is None or value.strip() not in oddity[1]


@given(st.text(min_size=1, max_size=40))
def test_an_encoded_password_is_never_odd_but_where_it_is_encoded_twice(password: str) -> None:
    oddity = oddity_of("POSTGRES_URL", DATABASE.format(quote(password, safe="")))

    assert oddity is None or oddity[0] in {"encoded-twice", "place-holder"}


@given(
    st.sampled_from(["POSTGRES_URL", "REDIS_URL", "OPENAI_API_KEY", "QDRANT_URL", "S3_BUCKET"]), st.text(max_size=80)
)
def test_any_text_is_judged(name: str, value: str) -> None:
    oddity = oddity_of(name, value)

    assert oddity is None or (oddity[0] and oddity[1])
