"""Access to rows: row-level security by tenant, and the duties that look across tenants; used by revisions.

Two ways lead there. Where the database's user may create roles, a transaction changes to a role without privileges.
Where it may not (a limited user of Neon, RDS, Azure or DigitalOcean), policies read a setting of the transaction in
place of the role; row-level security that is forced binds such a user, who is no superuser and bypasses nothing.
"""

import sqlalchemy
from alembic import op
from sqlalchemy.exc import DBAPIError

from salambot.migrations import DELIVERY_ROLE, RETENTION_ROLE, ROLES, TENANT_ROLE, RolesMissingError

__all__ = ["DELIVERY_ROLE", "RETENTION_ROLE", "TENANT_ROLE"]

_WITH_ROLES = "SELECT set_config('role', role, true)", "SELECT current_user = role"
_WITHOUT_ROLES = (
    "SELECT set_config('salambot.duty', role, true)",
    "SELECT coalesce(current_setting('salambot.duty', true), '') = role",
)
_THERE_ALREADY = ("42710", "23505")
_NOT_ALLOWED = "42501"
_SET_OPTION_SINCE = 160000


def create_roles() -> bool:
    """Create the roles where the user may, or join those that are there; return False where it goes without them.

    Raises:
        RolesMissingError: without roles this user would see the rows of all tenants.
    """
    if all(_create_role(role) for role in ROLES):
        return True
    if _value("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"):
        raise RolesMissingError
    return False


def add_duty(role: str) -> None:
    """Make sure that `begin_duty` and `has_duty` know the duty of a role; raises RolesMissingError."""
    if uses_roles():
        if not _create_role(role):
            raise RolesMissingError
        grant("USAGE", "SCHEMA public", role)
    begin, has = _WITH_ROLES if uses_roles() else _WITHOUT_ROLES
    op.execute(f"CREATE OR REPLACE FUNCTION begin_duty(role text) RETURNS text LANGUAGE sql AS $$ {begin} $$")
    op.execute(f"CREATE OR REPLACE FUNCTION has_duty(role text) RETURNS boolean LANGUAGE sql STABLE AS $$ {has} $$")


def uses_roles() -> bool:
    """Return True where the schema was begun with roles: each later revision goes on in the same way."""
    return bool(_value("SELECT prosrc LIKE '%''role''%' FROM pg_proc WHERE oid = 'enter_tenant(text)'::regprocedure"))


def enable_row_level_security(table: str) -> None:
    """Let a transaction see and write only the rows of the tenant that it entered; nobody else sees any.

    FORCE binds the table's owner too. A superuser would still pass, therefore `enter_tenant` changes to TENANT_ROLE.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY one_tenant ON {table} USING (tenant = current_setting('salambot.tenant', true))")
    grant("SELECT, INSERT, UPDATE, DELETE", table, TENANT_ROLE)


def allow_duty(name: str, table: str, role: str) -> None:
    """Let the duty of a role see the rows of all tenants; `grant` says which of their columns."""
    whom, rows = (f"TO {role}", "true") if uses_roles() else ("", f"has_duty('{role}')")
    op.execute(f"CREATE POLICY {name} ON {table} {whom} USING ({rows})")


def grant(privileges: str, thing: str, role: str) -> None:
    """Grant privileges to a role; without roles the owner of the tables does the work."""
    if uses_roles():
        op.execute(f"GRANT {privileges} ON {thing} TO {role}")


def revoke(privileges: str, table: str, role: str) -> None:
    """Revoke privileges of a role."""
    if uses_roles():
        op.execute(f"REVOKE {privileges} ON {table} FROM {role}")


def _create_role(role: str) -> bool:
    """Make sure that a role exists and that the user is its member; return False where the user may not do that."""
    if not _value(f"SELECT to_regrole('{role}') IS NOT NULL") and not _try(f"CREATE ROLE {role} NOLOGIN"):
        return False
    may_become = "SET" if int(str(_value("SHOW server_version_num"))) >= _SET_OPTION_SINCE else "MEMBER"
    return bool(_value(f"SELECT pg_has_role('{role}', '{may_become}')")) or _try(f"GRANT {role} TO CURRENT_USER")


def _try(statement: str) -> bool:
    """Execute a statement; return False where the user may not. Another database may have created a role meanwhile."""
    try:
        with op.get_bind().begin_nested():
            op.execute(statement)
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state not in {*_THERE_ALREADY, _NOT_ALLOWED}:
            raise
        return bool(state != _NOT_ALLOWED)
    return True


def _value(query: str) -> object:
    return op.get_bind().execute(sqlalchemy.text(query)).scalar()
