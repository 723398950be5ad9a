"""Tenants: the extension, the role without privileges, and the way into a tenant."""

from alembic import op

from salambot.migrations.tenancy import TENANT_ROLE

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create what every later table stands on."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    # A role belongs to the whole cluster: another database of it may have created it already.
    op.execute(
        f"""
        DO $$ BEGIN
          CREATE ROLE {TENANT_ROLE} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$"""
    )
    op.execute(f"GRANT {TENANT_ROLE} TO CURRENT_USER")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {TENANT_ROLE}")
    op.execute(
        f"""
        CREATE FUNCTION enter_tenant(tenant text) RETURNS text LANGUAGE sql AS $$
          SELECT set_config('salambot.tenant', tenant, true) || set_config('role', '{TENANT_ROLE}', true)
        $$"""
    )
