"""Row-level security for a table of tenants' rows; used by revisions."""

from alembic import op

TENANT_ROLE = "salambot_tenant"


def isolate(table: str) -> None:
    """Let a transaction see and write only the rows of the tenant that it entered; nobody else sees any.

    FORCE binds the table's owner too. A superuser would still pass, therefore `enter_tenant` changes to TENANT_ROLE.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY one_tenant ON {table} USING (tenant = current_setting('salambot.tenant', true))")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {TENANT_ROLE}")
