"""Values as people hand them over: pipes, encodings, references, pasted characters, examples, broken URLs."""

import os
import threading
from pathlib import Path

import pytest

from salambot_cli.components.variables import VARIABLES
from salambot_cli.config.endpoints import ca_bundle, urls_with_ca
from salambot_cli.config.load import load_environment
from salambot_cli.config.pasted_values import pasted_values
from salambot_cli.config.placeholders import is_placeholder
from salambot_cli.config.validate import url_notes, validate
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.stack.runtimes.container_view import certificate_problem

OPENAI = 'allow_insecure = ["llm"]\n[placement]\nllm = "openai"\n'


def environment(folder: Path, toml: str, dotenv: str | bytes = "", **environ: str) -> Environment:
    """Load a project that consists of these."""
    (folder / "salambot.toml").write_text(toml)
    (folder / ".env").write_bytes(dotenv if isinstance(dotenv, bytes) else dotenv.encode())
    (folder / ".env").chmod(0o600)
    return load_environment(folder, environ=environ)


def refusal(made: Environment) -> ConfigurationError:
    """Return the error of an environment that is not valid."""
    with pytest.raises(ConfigurationError) as told:
        validate(made)
    return told.value


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env", 0o600)
    writer = threading.Thread(target=(tmp_path / ".env").write_text, args=("OPENAI_API_KEY=sk-real-key\n",))
    writer.start()
    for _ in range(2):
        assert load_environment(tmp_path, environ={}).value("OPENAI_API_KEY") == "sk-real-key"
    writer.join(timeout=60)


def test_a_folder_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder"):
        load_environment(tmp_path, environ={})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_read_by_its_mark(tmp_path: Path, encoding: str) -> None:
    text = "export S3_BUCKET=kb # été\r\nOPENAI_MODEL='gpt'\r\n".encode(encoding)
    made = environment(tmp_path, "", text)
    assert (made.value("S3_BUCKET"), made.value("OPENAI_MODEL")) == ("kb", "gpt")


@pytest.mark.parametrize(
    ("data", "said"), [("S3_BUCKET=été".encode("cp1252"), "line 1"), ("A=1\n".encode("utf-16-le"), "null")]
)
def test_another_encoding_is_refused_in_words(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match="not written in UTF-8") as told:
        environment(tmp_path, "", data)
    assert said in told.value.why


def test_references_are_replaced_and_told(tmp_path: Path) -> None:
    dotenv = "DB_PASSWORD=Zz9pw\nPOSTGRES_URL=postgres://u:${DB_PASSWORD}@db.example/x\nS3_BUCKET=${NONE:-kb}\nOPENAI_MODEL='${A}'\n"
    made = environment(tmp_path, "", dotenv)
    assert made.value("POSTGRES_URL") == "postgres://u:Zz9pw@db.example/x"
    assert (made.value("S3_BUCKET"), made.value("OPENAI_MODEL")) == ("kb", "${A}")
    assert made.notes[0] == "POSTGRES_URL in .env: ${DB_PASSWORD} is replaced by its value"
    assert "Zz9pw" not in str(made.notes)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("", ""),
        ("   # note", ""),
        ("#note", "#note"),
        ("kb # note", "kb"),
        ("kb#note", "kb#note"),
        (" kb \t", "kb"),
        ('"kb" # note', "kb"),
        ('"a\\nb"', "a\nb"),
        ("'a\\nb'", "a\\nb"),
        ('"a\nb"', "a\nb"),
        ("a=b==", "a=b=="),
        ("C:\\Users\\x", "C:\\Users\\x"),
        ("pa$$word$1", "pa$$word$1"),
        ("kb\u00a0", "kb\u00a0"),
        ("kb\u200b", "kb\u200b"),
        ("kb\u3000 # note", "kb\u3000"),
    ],
)
def test_a_value_is_what_stands_there(tmp_path: Path, line: str, value: str) -> None:
    assert environment(tmp_path, "", f"S3_BUCKET={line}\nTENANT=demo\n").value("S3_BUCKET") == (value or None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("OPENAI_API_KEY=sk-abc\ndef123", "line 2"),
        ("\u200bS3_BUCKET=kb", "S3_BUCKET"),
        ("$env:S3_BUCKET=kb", "env:S3_BUCKET"),
        ("set S3_BUCKET=kb", "line 1"),
        ("S3_BUCKET: kb", "line 1"),
        ("S3_BUCKET=${NAME:?unset}", "S3_BUCKET"),
        ("S3_BUCKET=${NAME:+kb}", "S3_BUCKET"),
        ("S3_BUCKET=${NAME", "S3_BUCKET"),
    ],
)
def test_a_line_that_would_be_ignored_or_taken_literally_is_refused(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as told:
        environment(tmp_path, "", line)
    assert "abc" not in str(told.value)
    assert "def123" not in str(told.value)


def test_a_name_that_stands_twice_is_told(tmp_path: Path) -> None:
    made = environment(tmp_path, "", "S3_BUCKET=a\nTENANT=demo\nS3_BUCKET=b\nTENANT=demo\n")
    assert (made.value("S3_BUCKET"), made.notes) == ("b", ("S3_BUCKET stands twice in .env: the last line counts",))


def test_a_reference_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"refers to \$\{DB_PASSWORD\}"):
        environment(tmp_path, "", "POSTGRES_URL=postgres://u:${DB_PASSWORD}@db.example/x\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sk-good\u200b", "a zero-width space (U+200B) at position 8 of 8"),
        ("sk-\u00a0good", "a no-break space (U+00A0) at position 4 of 8"),
        ("sk-good\r", "a carriage return (U+000D) at position 8 of 8"),
        ("sk-good\n", "a line feed (U+000A) at position 8 of 8"),
        ("\ufeffsk-good", "a byte order mark (U+FEFF) at position 1 of 8"),
        ("sk-go\u202eod", "(U+202E) at position 6 of 8"),
        (" sk-good", "(U+0020) at position 1 of 8"),
        ("“sk-good”", "quotes around the value"),
        ("'sk-good'", "quotes around the value"),
    ],
)
def test_pasted_characters_are_named_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    made = environment(tmp_path, OPENAI, "", OPENAI_API_KEY=text)
    error = refusal(made)
    assert "OPENAI_API_KEY" in error.what
    assert said in error.why
    assert "sk-" not in error.why + error.fix
    assert [one.clean for one in pasted_values(made)] == ["sk-good"]


def test_every_variable_is_looked_at(tmp_path: Path) -> None:
    names = [name for name in VARIABLES if name != "TENANT" and not name.endswith(("_JWKS", "_HEADERS", "_ATTRIBUTES"))]
    for character in "\u200b\u00a0\r\n\ufeff\u202e\u2028":
        made = environment(tmp_path, "", "", **dict.fromkeys(names, f"x{character}"))
        found = {one.variable.name: one.clean for one in pasted_values(made)}
        assert {name for name in names if name not in found and name in made.variables} == set()
        assert set(found.values()) == {"x"}


@pytest.mark.parametrize(("toml", "tenant"), [("", "demo\u200b"), ('runtime = "process\u00a0"', "demo")])
def test_a_setting_with_a_pasted_character_is_refused_by_its_name(tmp_path: Path, toml: str, tenant: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        environment(tmp_path, toml, TENANT=tenant)
    assert "U+200B" in told.value.why or "U+00A0" in told.value.why


def test_a_plain_value_is_offered_clean(tmp_path: Path) -> None:
    made = environment(tmp_path, "", "S3_BUCKET=kb\u200b\n")
    assert "S3_BUCKET=kb" in refusal(made).fix.splitlines()


def test_white_space_inside_json_is_none_of_it(tmp_path: Path) -> None:
    validate(environment(tmp_path, "", "", JWT_JWKS='{\n\t"keys": []\n}\n'))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PINECONE_API_KEY", "pc-..."),
        ("OPENAI_API_KEY", "sk-…"),
        ("OPENAI_API_KEY", "sk-xxxxxxxx"),
        ("OPENAI_API_KEY", "your-api-key"),
        ("OPENAI_API_KEY", "<secret>"),
        ("OPENAI_API_KEY", "sk-your-key-here"),
        ("QDRANT_URL", "https://….cloud.qdrant.io:6333"),
        ("PUBLIC_BASE_URL", "https://<subdomain>.trycloudflare.com"),
        ("POSTGRES_URL", "postgres://user:pass@rds-endpoint:5432/salambot"),
        ("POSTGRES_URL", "postgresql://postgres:[YOUR-PASSWORD]@db.abcdef.supabase.co:5432/postgres"),
        ("POSTGRES_URL", "postgres://user:password@db.shop.ma:5432/x"),
        ("REDIS_URL", "redis://elasticache-endpoint:6379"),
        ("REDIS_URL", "rediss://default:********@fly.upstash.io:6379"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp-gw:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20<base64 of instance:token>"),
    ],
)
def test_examples_are_known(name: str, text: str) -> None:
    assert is_placeholder(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PINECONE_API_KEY", "pcsk_3xPlaiNkeY_abcDEF"),
        ("OPENAI_API_KEY", "sk-proj-abcdefghijk"),
        ("QDRANT_URL", "http://127.0.0.1:6333"),
        ("POSTGRES_URL", "postgres://user:pass@127.0.0.1:5432/test"),
        ("POSTGRES_URL", "postgres://youssef:Zz9@db.shop.ma:5432/x?sslmode=verify-full"),
        ("REDIS_URL", "rediss://:hunter2hunter2@cache.example:6379"),
        ("JWT_JWKS", '{"keys": []}'),
        ("S3_BUCKET", "salambot-kb"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20YWJj"),
    ],
)
def test_real_values_are_none(name: str, text: str) -> None:
    assert not is_placeholder(name, text)


def test_examples_are_missing(tmp_path: Path) -> None:
    dotenv = (
        "PINECONE_API_KEY=pc-...\nPINECONE_INDEX=salambot-kb\nPUBLIC_BASE_URL=https://<subdomain>.trycloudflare.com\n"
    )
    error = refusal(environment(tmp_path, '[placement]\nvector = "pinecone"', dotenv))
    assert error.what == "missing for topology local: PINECONE_API_KEY, PUBLIC_BASE_URL"
    validate(environment(tmp_path, "", dotenv))  # all local: nothing reads them


@pytest.mark.parametrize("password", ["p@ss", "pa#ss", "pa/ss", "pa?ss", "pa[ss", "[YOUR-PASSWORD]"])
def test_a_character_of_a_password_is_named_not_tls(tmp_path: Path, password: str) -> None:
    toml = '[placement]\npostgres = "cloud"'
    error = refusal(
        environment(tmp_path, toml, f"POSTGRES_URL='postgres://u:{password}@127.0.0.1/db?sslmode=verify-full'")
    )
    assert "%23" in error.fix
    assert "TLS" not in error.what
    assert password not in error.what + error.why + error.fix


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    toml = '[placement]\npostgres = "cloud"'
    made = environment(
        tmp_path, toml, "POSTGRES_URL=postgres://u:pw@db.ma/x?sslmode=verify-full&channel_binding=require\n"
    )
    validate(made)
    assert [note.split(" is")[0] for note in url_notes(made)] == ["POSTGRES_URL: channel_binding"]


CLOUD = '[placement]\npostgres = "cloud"\nredis = "cloud"\n'
DATABASE, CACHE = "postgres://u:p@db.example/shop", "rediss://:p@cache.example/0"


@pytest.mark.parametrize(
    ("toml", "database", "cache", "bundles"),
    [
        ("", f"{DATABASE}?sslmode=verify-full&sslrootcert=certs/rds.pem", CACHE, ("certs/rds.pem", None)),
        ("", DATABASE, f"{CACHE}?ssl_ca_certs=/etc/ssl/cache.pem", (None, "/etc/ssl/cache.pem")),
        ('[postgres]\nca = "mine.pem"\n', f"{DATABASE}?sslrootcert=other.pem", CACHE, ("mine.pem", None)),
        ("", f"{DATABASE}?sslmode=verify-full&sslrootcert=system", CACHE, (None, None)),
        ("", "postgres://u:p#@db.example/shop", "rediss://u:p@a,b", (None, None)),
    ],
)
def test_a_bundle_that_a_url_names_is_found_by_every_reader(
    tmp_path: Path, toml: str, database: str, cache: str, bundles: tuple[str | None, str | None]
) -> None:
    made = environment(tmp_path, CLOUD + toml, POSTGRES_URL=database, REDIS_URL=cache)
    paths = tuple(tmp_path / bundle if bundle else None for bundle in bundles)
    assert (ca_bundle(made, "postgres"), ca_bundle(made, "redis")) == paths
    seen = urls_with_ca(made, "/run/db.pem", "/run/cache.pem") if any(bundles) else {}
    assert ["/run/" in url.reveal() for url in seen.values()] == [True] * sum(map(bool, bundles))


def test_containers_do_not_see_the_files_of_a_client_certificate(tmp_path: Path) -> None:
    with_certificate = f"{DATABASE}?sslmode=require&sslcert=c.pem&sslkey=k.pem"
    made = environment(
        tmp_path, CLOUD, POSTGRES_URL=with_certificate, REDIS_URL=f"{CACHE}?ssl_certfile=c&ssl_keyfile=k"
    )
    assert [problem.split()[0] for problem in certificate_problem(made)] == ["POSTGRES_URL", "REDIS_URL"]
    assert certificate_problem(environment(tmp_path, CLOUD, POSTGRES_URL=DATABASE, REDIS_URL=CACHE)) == []
