"""Seals over the audit trail, and what retention may delete of it."""

from alembic import op

from salambot.migrations.tenancy import (
    RETENTION_ROLE,
    TENANT_ROLE,
    add_duty,
    allow_duty,
    enable_row_level_security,
    grant,
    revoke,
)

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Number the records, add the chain of seals over them, and let retention delete what it has noted."""
    op.execute("ALTER TABLE audit ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY")
    op.execute("CREATE INDEX audit_number ON audit (number)")
    add_duty(RETENTION_ROLE)
    _create_seals()
    _create_checkpoints()
    _let_retention_delete()


def _create_seals() -> None:
    op.execute(
        """
        CREATE TABLE audit_seals (
          tenant text NOT NULL,
          number bigint NOT NULL,      -- 1, 2, 3, ... in each tenant's chain
          at timestamptz NOT NULL DEFAULT now(),
          records bigint[] NOT NULL,   -- the numbers of the records that it covers, in their order
          last_record bigint NOT NULL,
          last_at timestamptz NOT NULL,
          digest bytea NOT NULL,       -- SHA-256 of the records
          mac bytea NOT NULL,          -- keyed, over this seal and the one before: no database user can make one
          PRIMARY KEY (tenant, number))"""
    )
    op.execute("CREATE INDEX audit_seals_last ON audit_seals (tenant, last_record)")
    _append_only("audit_seals")
    op.execute(
        """
        CREATE FUNCTION audit_tenants_after(record bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM begin_duty('salambot_retention');
          RETURN QUERY SELECT DISTINCT audit.tenant FROM audit WHERE audit.number > record;
        END $$"""
    )


def _create_checkpoints() -> None:
    op.execute(
        """
        CREATE TABLE audit_checkpoints (
          tenant text NOT NULL,
          seal bigint NOT NULL,        -- the records up to this seal may be gone; the seals themselves stay
          at timestamptz NOT NULL DEFAULT now(),
          mac bytea NOT NULL,
          PRIMARY KEY (tenant, seal))"""
    )
    _append_only("audit_checkpoints")


def _append_only(table: str) -> None:
    enable_row_level_security(table)
    revoke("UPDATE, DELETE", table, TENANT_ROLE)
    op.execute(
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} EXECUTE FUNCTION refuse_change()"
    )


def _let_retention_delete() -> None:
    op.execute(
        """
        CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit' AND has_duty('salambot_retention') THEN
            RETURN NULL;  -- of a statement's trigger: ignored
          END IF;
          RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END $$"""
    )
    grant("DELETE, SELECT (tenant, number)", "audit", RETENTION_ROLE)
    allow_duty("forgetting", "audit", RETENTION_ROLE)
    op.execute(
        """
        CREATE FUNCTION forget_audit(of_tenant text, gone bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE
          forgotten bigint;
        BEGIN
          PERFORM begin_duty('salambot_retention');
          DELETE FROM audit WHERE tenant = of_tenant AND number = ANY (gone);
          GET DIAGNOSTICS forgotten = ROW_COUNT;
          RETURN forgotten;
        END $$"""
    )
