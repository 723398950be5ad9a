"""Connection strings as providers and frameworks write them: read as the drivers read them, or refused in words."""

from urllib.parse import quote

import pytest
from asyncpg import connect_utils
from redis.asyncio.connection import parse_url

from salambot_contracts.http_url import parse_openai_url, parse_qdrant_url
from salambot_contracts.postgres_url import PostgresUrl, parse_postgres_url
from salambot_contracts.redis_url import RedisUrl, parse_redis_url
from salambot_contracts.url_text import UrlError

POSTGRES = [
    # text, host, port, user, database, tls mode, pooled
    ("postgresql://neondb_owner:npg_x@ep-cool-1.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require", "ep-cool-1.eu-central-1.aws.neon.tech", 5432, "neondb_owner", "neondb", "require", False),
    ("postgresql://o:x@ep-cool-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=verify-full", "ep-cool-1-pooler.eu-central-1.aws.neon.tech", 5432, "o", "neondb", "verify-full", True),
    ("postgres://o:x@ep-a.aws.neon.tech/db?options=endpoint%3Dep-a&sslmode=require", "ep-a.aws.neon.tech", 5432, "o", "db", "require", False),
    ("postgresql://postgres:x@db.abcdefgh.supabase.co:5432/postgres", "db.abcdefgh.supabase.co", 5432, "postgres", "postgres", "prefer", False),
    ("postgresql://postgres.abcdefgh:x@aws-0-eu-west-3.pooler.supabase.com:6543/postgres?pgbouncer=true", "aws-0-eu-west-3.pooler.supabase.com", 6543, "postgres.abcdefgh", "postgres", "prefer", True),
    ("postgresql://postgres.abcdefgh:x@aws-0-eu-west-3.pooler.supabase.com:5432/postgres", "aws-0-eu-west-3.pooler.supabase.com", 5432, "postgres.abcdefgh", "postgres", "prefer", False),
    ("postgres://postgres:x@aws-0-eu-west-3.pooler.supabase.com:6543/postgres?options=reference%3Dabcdefgh&supa=base-pooler.x", "aws-0-eu-west-3.pooler.supabase.com", 6543, "postgres.abcdefgh", "postgres", "prefer", True),
    ("postgres://admin:x@shop.c1.eu-west-1.rds.amazonaws.com:5432/salambot?sslmode=verify-full&sslrootcert=global-bundle.pem", "shop.c1.eu-west-1.rds.amazonaws.com", 5432, "admin", "salambot", "verify-full", False),
    ("postgres://admin:x@shop.cluster-c1.eu-west-1.rds.amazonaws.com/salambot?sslmode=require", "shop.cluster-c1.eu-west-1.rds.amazonaws.com", 5432, "admin", "salambot", "require", False),
    ("postgres://admin:x@shop.proxy-c1.eu-west-1.rds.amazonaws.com/salambot?sslmode=require", "shop.proxy-c1.eu-west-1.rds.amazonaws.com", 5432, "admin", "salambot", "require", True),
    ("postgres://salam%40shop:x@shop.postgres.database.azure.com:5432/postgres?sslmode=require", "shop.postgres.database.azure.com", 5432, "salam@shop", "postgres", "require", False),
    ("postgres://salam:x@shop.postgres.database.azure.com:6432/postgres?sslmode=require", "shop.postgres.database.azure.com", 6432, "salam", "postgres", "require", True),
    ("postgresql://doadmin:x@db-1-do-user-1-0.c.db.ondigitalocean.com:25060/defaultdb?sslmode=require", "db-1-do-user-1-0.c.db.ondigitalocean.com", 25060, "doadmin", "defaultdb", "require", False),
    ("postgresql://doadmin:x@db-1-do-user-1-0.c.db.ondigitalocean.com:25061/pool?sslmode=require", "db-1-do-user-1-0.c.db.ondigitalocean.com", 25061, "doadmin", "pool", "require", True),
    ("postgres://uabc:pdef@ec2-1-2-3-4.eu-west-1.compute.amazonaws.com:5432/dxyz", "ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", 5432, "uabc", "dxyz", "prefer", False),
    ("postgres://uabc:pdef@ec2-1-2-3-4.compute.amazonaws.com:5432/dxyz?ssl=true", "ec2-1-2-3-4.compute.amazonaws.com", 5432, "uabc", "dxyz", "require", False),
    ("postgres://uabc:pdef@ec2-1-2-3-4.compute.amazonaws.com:5432/dxyz?sslmode=no-verify", "ec2-1-2-3-4.compute.amazonaws.com", 5432, "uabc", "dxyz", "require", False),
    ("postgresql://salam:x@dpg-abc-a.frankfurt-postgres.render.com/salam", "dpg-abc-a.frankfurt-postgres.render.com", 5432, "salam", "salam", "prefer", False),
    ("postgresql://postgres:x@roundhouse.proxy.rlwy.net:41234/railway", "roundhouse.proxy.rlwy.net", 41234, "postgres", "railway", "prefer", False),
    ("postgres://avnadmin:AVNS_x@pg-1.a.aivencloud.com:12345/defaultdb?sslmode=require", "pg-1.a.aivencloud.com", 12345, "avnadmin", "defaultdb", "require", False),
    ("postgresql+asyncpg://u:p@db.ma/x?ssl=require&prepared_statement_cache_size=0", "db.ma", 5432, "u", "x", "require", True),
    ("postgresql+psycopg2://u:p@db.ma:5433/x?connect_timeout=10&application_name=shop", "db.ma", 5433, "u", "x", "prefer", False),
    ("postgresql+psycopg://u:p@db.ma/x?prepare_threshold=0", "db.ma", 5432, "u", "x", "prefer", True),
    ("postgis://u:p@db.ma/x?conn_max_age=600", "db.ma", 5432, "u", "x", "prefer", False),
    ("postgresql://u:p@db.ma:5432/x?schema=public&connection_limit=5&pool_timeout=20&sslaccept=strict&sslmode=require", "db.ma", 5432, "u", "x", "verify-full", False),
    ("postgres://u:p@[2001:db8::7]:5444/x", "2001:db8::7", 5444, "u", "x", "prefer", False),
    ("postgres://u:p@h1.ma:5432,h2.ma:5433/x?target_session_attrs=read-write", "h1.ma", 5432, "u", "x", "prefer", False),
    ("postgres://u:p@/x?host=/cloudsql/shop:europe-west1:db", "/cloudsql/shop:europe-west1:db", 5432, "u", "x", "disable", False),
    ("postgres://u@%2Fvar%2Frun%2Fpostgresql/x", "/var/run/postgresql", 5432, "u", "x", "disable", False),
    ("postgresql://db.ma/x?user=u&password=p", "db.ma", 5432, "u", "x", "prefer", False),
    ("postgres://u:p%40%23%2F%3F%5B%5D%25@db.ma/x", "db.ma", 5432, "u", "x", "prefer", False),
    ("postgres://u:pa:ss@db.ma/x", "db.ma", 5432, "u", "x", "prefer", False),
    ("postgres://u:p@DB.ma", "db.ma", 5432, "u", "u", "prefer", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "host", "port", "user", "database", "mode", "pooled"), POSTGRES)
def test_postgres(text: str, host: str, port: int, user: str, database: str, mode: str, pooled: bool) -> None:
    url = parse_postgres_url(text)
    assert (url.host, url.port, url.user, url.database) == (host, port, user, database)
    assert (url.tls_mode, url.is_pooled) == (mode, pooled)
    _same_as_asyncpg(url)


def _same_as_asyncpg(url: PostgresUrl) -> None:
    """Compare with what asyncpg itself makes of the same parts, in the plain writing."""
    first = url.hosts[0]
    place = f"?host={first.name}&port={first.port}" if first.is_socket else ""
    location = "" if first.is_socket else ",".join(host.text() for host in url.hosts)
    login = f"{quote(url.user, safe='')}:{quote(url.password or 'none', safe='')}"
    plain = f"postgres://{login}@{location}/{quote(url.database, safe='')}{place}"
    names = ("host", "port", "user", "password", "passfile", "database", "ssl", "service", "servicefile", "direct_tls")
    names += ("server_settings", "target_session_attrs", "krbsrvname", "gsslib")
    try:
        addresses, read = connect_utils._parse_connect_dsn_and_args(dsn=plain, **dict.fromkeys(names))
    except ValueError:  # a port behind a socket whose folder has colons: asyncpg does not read Cloud SQL's URLs
        assert first.is_socket
        return
    if not first.is_socket:
        assert addresses == [(host.name, host.port) for host in url.hosts]
    assert (read.user, read.database, read.password) == (url.user, url.database, url.password or "none")


REDIS = [
    # text, host, port, tls, user, database
    ("redis://elasticache.ma:6379", "elasticache.ma", 6379, False, None, 0),
    ("rediss://:x@master.shop.abc.euw1.cache.amazonaws.com:6379/0", "master.shop.abc.euw1.cache.amazonaws.com", 6379, True, None, 0),
    ("rediss://default:x@fly-cool-1.upstash.io:6379", "fly-cool-1.upstash.io", 6379, True, "default", 0),
    ("redis://default:x@redis-1.c1.eu-west-1-3.ec2.redns.redis-cloud.com:12345", "redis-1.c1.eu-west-1-3.ec2.redns.redis-cloud.com", 12345, False, "default", 0),
    ("rediss://:x@shop.redis.cache.windows.net:6380/0", "shop.redis.cache.windows.net", 6380, True, None, 0),
    ("rediss://:x@ec2-1-2-3-4.compute-1.amazonaws.com:25580?ssl_cert_reqs=none", "ec2-1-2-3-4.compute-1.amazonaws.com", 25580, True, None, 0),
    ("rediss://:x@h.ma:6379/0?ssl_cert_reqs=CERT_REQUIRED", "h.ma", 6379, True, None, 0),
    ("redis://default:x@redis.railway.internal:6379?family=0", "redis.railway.internal", 6379, False, "default", 0),
    ("rediss://default:x@valkey-1.a.aivencloud.com:12345", "valkey-1.a.aivencloud.com", 12345, True, "default", 0),
    ("valkeys://default:x@valkey-1.a.aivencloud.com:12345", "valkey-1.a.aivencloud.com", 12345, True, "default", 0),
    ("redis://red-abc:6379", "red-abc", 6379, False, None, 0),
    ("redis://:p%40ss%2F@h.ma:6379/3", "h.ma", 6379, False, None, 3),
    ("redis://h.ma?db=2&socket_timeout=5", "h.ma", 6379, False, None, 2),
    ("redis://[::1]:7000/1", "::1", 7000, False, None, 1),
    ("redis://h.ma:6379?tls=true", "h.ma", 6379, True, None, 0),
    ("unix:///run/redis.sock?db=1", "/run/redis.sock", 6379, False, None, 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "host", "port", "tls", "user", "database"), REDIS)
def test_redis(text: str, host: str, port: int, tls: bool, user: str | None, database: int) -> None:
    url = parse_redis_url(text)
    assert (url.host, url.port, url.tls, url.user, url.database) == (host, port, tls, user, database)
    _same_as_redis_py(url)


def _same_as_redis_py(url: RedisUrl) -> None:
    read = parse_url(url.text())
    assert (read.get("username"), read.get("password"), read.get("db")) == (url.user, url.password, url.database)
    assert read.get("path" if url.is_socket else "host") == url.host
    assert ("SSL" in str(read.get("connection_class"))) == url.tls


REFUSED = [
    ("postgres://u:p@h/db&sslmode=require", "has & where its parameters begin"),
    ("jdbc:postgresql://db.ma:5432/x?user=u&password=p", "JDBC"),
    ("host=db.ma user=u password=p dbname=x", "keywords"),
    ("Server=db.ma;Database=x;User Id=u;Password=p;", "keywords"),
    ("psql 'postgresql://u:p@db.ma/x'", "psql command"),
    ("DATABASE_URL=postgres://u:p@db.ma/x", "begins with a name"),
    ('"postgres://u:p@db.ma/x"', "quotes"),
    ("<postgres://u:p@db.ma/x>", "quotes"),
    ("postgres://u:p@db.ma/x;", "ends in ;"),
    ("postgres://u:p@db.ma/x,", "ends in ,"),
    ("prisma+postgres://accelerate.prisma-data.net/?api_key=eyJ", "Prisma Accelerate"),
    ("mysql://u:p@db.ma/x", "MySQL"),
    ("https://abcdefgh.supabase.co", "web address"),
    ("postgres://u:p@::1:5432/x", "IPv6"),
    ("postgres://u:p@db.ma:54x2/x", "no port"),
    ("postgres://u:p@db.ma/x?sslmode=verify_full", "does not exist"),
    ("postgres://u:p@db.ma/x?sslmod=require", "did you mean sslmode"),
    ("postgres://u:p@db.ma/x?statement_timeout=5000", "statement_timeout"),
    ("postgres://u:p@db.ma/x?options=-c%20work_mem%3D1MB", "work_mem"),
    ("postgres://u:p@db.ma/x?schema=shop", "schema"),
    ("postgres://u:p@db.ma/x?sslcert=server-ca.pem", "sslcert without sslkey"),
    ("postgres://u:p@db.ma/x?service=shop", "service"),
    ("postgres://db.ma/x", "no user"),
    ("postgres://u:p@db.ma/x\u200b", "U+200B"),
]


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("redis://hunter2@h", True),
        ("redis://u:@h", True),
        ("redis://u@h?password=p", False),
        ("redis://:p@h", False),
        ("redis://u:p@h", False),
        ("redis://h", False),
    ],
)
def test_a_user_without_a_password_is_told(text: str, is_told: bool) -> None:
    notes = parse_redis_url(text).notes
    assert any("not sent without a password" in note for note in notes) == is_told
    assert "hunter2" not in str(notes)


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(UrlError) as told:
        parse_postgres_url(text)
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redis-cli --tls -u redis://default:x@h.upstash.io:6379", "redis-cli command"),
        ("https://cool-1.upstash.io", "REST"),
        ("shop.redis.cache.windows.net:6380,password=x,ssl=True,abortConnect=False", "StackExchange"),
        ("redis+sentinel://h.ma:26379/mymaster", "Sentinel"),
        ("redis://h1.ma:6379,h2.ma:6379", "several hosts"),
        ("redis://h.ma:6379/cache", "number of a database"),
        ("rediss://h.ma:6379?tls=false", "turns TLS off"),
        ("redis://h.ma?foo=1", "foo"),
    ],
)
def test_redis_refused(text: str, said: str) -> None:
    with pytest.raises(UrlError) as told:
        parse_redis_url(text)
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://x.cloud.qdrant.io", "https://x.cloud.qdrant.io:6333"),
        ("http://127.0.0.1", "http://127.0.0.1:6333"),
        ("https://q.ma:443/", "https://q.ma:443"),
        ("http://q.ma:6333/dashboard", "http://q.ma:6333"),
        ("http://[::1]", "http://[::1]:6333"),
    ],
)
def test_qdrant(text: str, read: str) -> None:
    assert parse_qdrant_url(text).text() == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("https://api.perplexity.ai", "https://api.perplexity.ai"),
    ],
)  # fmt: skip
def test_openai(text: str, read: str) -> None:
    assert parse_openai_url(text).text() == read
