"""Tenants: the extension, the role without privileges, and the way into a tenant."""

from alembic import op

from salambot.migrations.tenancy import TENANT_ROLE, create_roles

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create what every later table stands on."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    with_roles = create_roles()  # roles belong to the whole cluster: another database of it may have created them
    if with_roles:
        op.execute(f"GRANT USAGE ON SCHEMA public TO {TENANT_ROLE}")
    becomes = f" || set_config('role', '{TENANT_ROLE}', true)" if with_roles else ""
    op.execute(
        f"""
        CREATE FUNCTION enter_tenant(tenant text) RETURNS text LANGUAGE sql AS $$
          SELECT set_config('salambot.tenant', tenant, true){becomes}
        $$"""
    )
