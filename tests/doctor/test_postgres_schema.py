"""What the services and the migration would meet in a database: a table of facts and of what they mean."""

from dataclasses import replace

import pytest

from salambot_cli.doctor.postgres import PostgresTarget
from salambot_cli.doctor.postgres_facts import DatabaseFacts, LockHolder, Table, columns_at, head_revision
from salambot_cli.doctor.postgres_schema import TABLES, judge, milliseconds
from salambot_contracts.postgres_url import parse_postgres_url

TARGET = PostgresTarget(
    parse_postgres_url("postgres://app:x@db.example/salambot"), "db.example", 5432, "app", "salambot", "prefer", None
)
HEAD = head_revision() or ""
COLUMNS = columns_at(HEAD)
NAMES = sorted(TABLES | {column.split(".")[0] for column in COLUMNS})
FULL = tuple(Table(name, ours=True, usable=True, policies_off=False) for name in NAMES)
WELL = DatabaseFacts(homes=("public",), tables=FULL, columns=COLUMNS, revision=HEAD)
EMPTY = DatabaseFacts()


def table(**changes: bool) -> tuple[Table, ...]:
    return tuple(replace(t, **changes) if t.name == "documents" else t for t in FULL)


@pytest.mark.parametrize(
    ("facts", "status", "name", "kind"),
    [
        (WELL, "ok", "rds.schema", None),
        (EMPTY, "ok", "rds.schema", None),
        (replace(WELL, standby=True), "fail", "rds.read-only", "standby"),
        (replace(WELL, read_only=True), "fail", "rds.read-only", "default"),
        (replace(WELL, statement_timeout="200ms"), "fail", "rds.statement-timeout", "statement-timeout"),
        (replace(WELL, statement_timeout="30s", lock_timeout="5s"), "ok", "rds.schema", None),
        (replace(WELL, lock_timeout="1ms"), "fail", "rds.statement-timeout", "lock-timeout"),
        (replace(WELL, transaction_timeout="10ms"), "fail", "rds.statement-timeout", "transaction-timeout"),
        (replace(WELL, row_security=False), "fail", "rds.row-security", "row-security"),
        (replace(WELL, columns=COLUMNS - {"turns.content"}), "fail", "rds.schema-missing", "table"),
        (replace(WELL, revision=None), "fail", "rds.schema-missing", "revision"),
        (replace(WELL, encoding="SQL_ASCII"), "fail", "rds.wrong-encoding", None),
        (replace(WELL, schema=None), "fail", "rds.no-privilege", "schema"),
        (replace(WELL, schema="app", homes=("public",)), "fail", "rds.schema-missing", "search-path"),
        (replace(WELL, tables=tuple(t for t in FULL if t.name != "outbox")), "fail", "rds.schema-missing", "table"),
        (replace(WELL, schema=None, search_path="other"), "fail", "rds.schema-missing", "search-path"),
        (replace(WELL, holders=(LockHolder(7, "psql", "chunks", 90),)), "fail", "rds.locked", "lock"),
        (replace(EMPTY, installed=None, available=None), "fail", "rds.schema-missing", "extension"),
        (replace(WELL, installed="0.5.1"), "fail", "rds.schema-missing", "extension-version"),
        (replace(EMPTY, installed=None, creates_extensions=False), "fail", "rds.no-privilege", "extension"),
        (replace(EMPTY, installed=None), "ok", "rds.schema", None),
        (replace(WELL, revision="0042"), "fail", "rds.schema-newer", "newer"),
        (replace(WELL, tables=table(usable=False)), "fail", "rds.no-privilege", "table"),
        (replace(WELL, tables=FULL[1:]), "fail", "rds.schema-missing", "table"),
        (replace(WELL, tenant_error="permission denied to set role"), "fail", "rds.no-privilege", "tenant-role"),
        (replace(WELL, tables=table(policies_off=True)), "fail", "rds.row-security", "row-security"),
        (replace(WELL, tables=table(ours=False)), "ok", "rds.schema", None),
        (replace(WELL, tables=table(ours=False), revision="0001"), "fail", "rds.no-privilege", "owner"),
        (replace(EMPTY, creates_tables=False), "fail", "rds.no-privilege", "create"),
        (replace(WELL, creates_tables=False), "ok", "rds.schema", None),
        (replace(EMPTY, creates_roles=False, has_tenant_role=False), "warn", "rds.no-privilege", "roles"),
        (
            replace(EMPTY, creates_roles=False, has_tenant_role=False, bypasses=True),
            "fail",
            "rds.no-privilege",
            "roles",
        ),
        (replace(EMPTY, creates_roles=False), "ok", "rds.schema", None),
        (replace(WELL, slots=40, used=39), "warn", "rds.too-many-connections", "nearly-full"),
    ],
)
def test_facts_have_one_meaning(facts: DatabaseFacts, status: str, name: str, kind: str | None) -> None:
    found = judge(TARGET, facts)

    assert (found.status, found.id, found.evidence.get("kind")) == (status, name, kind)


@pytest.mark.parametrize(
    ("shown", "expected"), [("0", 0), ("1ms", 1), ("30s", 30_000), ("2min", 120_000), ("1h", 3_600_000)]
)
def test_a_time_is_read_as_postgres_shows_it(shown: str, expected: int) -> None:
    assert milliseconds(shown) == expected


def test_the_newest_revision_is_that_of_the_services() -> None:
    from salambot.migrations import head

    assert head_revision() == head()
