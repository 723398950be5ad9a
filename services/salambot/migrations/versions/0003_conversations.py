"""Conversations, their turns, and the audit trail."""

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

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables, the two functions that orchestrateur calls, and what may forget."""
    _create_conversations()
    _create_audit()
    _create_functions()
    _allow_forgetting()


def _create_conversations() -> None:
    op.execute(
        """
        CREATE TABLE conversations (
          tenant text NOT NULL,
          channel text NOT NULL,
          party text NOT NULL,         -- a keyed hash of the user, or the correlation id where nobody is known
          language text NOT NULL,      -- of the last reply
          turns int NOT NULL DEFAULT 0,
          started_at timestamptz NOT NULL DEFAULT now(),
          last_at timestamptz NOT NULL DEFAULT now(),
          PRIMARY KEY (tenant, channel, party))"""
    )
    op.execute(
        """
        CREATE TABLE turns (
          tenant text NOT NULL,
          channel text NOT NULL,
          party text NOT NULL,
          number bigint GENERATED ALWAYS AS IDENTITY,
          at timestamptz NOT NULL DEFAULT now(),
          role text NOT NULL CHECK (role IN ('user', 'assistant')),
          content text NOT NULL,
          message_id text NOT NULL,
          PRIMARY KEY (tenant, channel, party, number))"""
    )
    op.execute("CREATE INDEX turns_at ON turns USING brin (at)")
    for table in ("conversations", "turns"):
        enable_row_level_security(table)


def _create_audit() -> None:
    op.execute(
        """
        CREATE TABLE audit (
          tenant text NOT NULL,
          at timestamptz NOT NULL DEFAULT now(),
          actor text NOT NULL,         -- a keyed hash, or the name of a service or job
          action text NOT NULL,
          outcome text NOT NULL,
          trace_id text NOT NULL,
          correlation_id text NOT NULL)"""
    )
    op.execute("CREATE INDEX audit_at ON audit USING brin (at)")
    enable_row_level_security("audit")
    revoke("UPDATE, DELETE", "audit", TENANT_ROLE)
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END $$"""
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION refuse_change()"
    )


def _create_functions() -> None:
    """One round trip each: they enter the tenant themselves, in the transaction of their own statement."""
    op.execute(
        """
        CREATE FUNCTION recent_turns(of_tenant text, of_channel text, of_party text, most int, since timestamptz)
        RETURNS jsonb LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          RETURN (
            SELECT coalesce(jsonb_agg(jsonb_build_object('role', role, 'content', content) ORDER BY number), '[]')
            FROM (SELECT number, role, content FROM turns
                  WHERE tenant = of_tenant AND channel = of_channel AND party = of_party AND at > since
                  ORDER BY number DESC LIMIT most) AS latest);
        END $$"""
    )
    op.execute(
        """
        CREATE FUNCTION record_exchange(
          of_tenant text, of_channel text, of_party text, in_language text, of_message text, prompt text, reply text,
          by_actor text, with_outcome text, of_trace text, of_correlation text, most int, since timestamptz)
        RETURNS jsonb LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          INSERT INTO conversations AS known (tenant, channel, party, language, turns)
            VALUES (of_tenant, of_channel, of_party, in_language, 2)
            ON CONFLICT (tenant, channel, party) DO UPDATE
            SET language = in_language, turns = known.turns + 2, last_at = now();
          INSERT INTO turns (tenant, channel, party, role, content, message_id)
            VALUES (of_tenant, of_channel, of_party, 'user', prompt, of_message),
                   (of_tenant, of_channel, of_party, 'assistant', reply, of_message);
          INSERT INTO audit (tenant, actor, action, outcome, trace_id, correlation_id)
            VALUES (of_tenant, by_actor, 'reply', with_outcome, of_trace, of_correlation);
          RETURN CASE WHEN most > 0 THEN recent_turns(of_tenant, of_channel, of_party, most, since) END;
        END $$"""
    )
    op.execute(
        """
        CREATE FUNCTION record_audit(
          of_tenant text, by_actor text, of_action text, with_outcome text, of_trace text, of_correlation text)
        RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          INSERT INTO audit (tenant, actor, action, outcome, trace_id, correlation_id)
            VALUES (of_tenant, by_actor, of_action, with_outcome, of_trace, of_correlation);
        END $$"""
    )


def _allow_forgetting() -> None:
    """Add a role that may delete what is old, of all tenants, and reads nothing of it but its time."""
    add_duty(RETENTION_ROLE)
    for table, time in (("conversations", "last_at"), ("turns", "at")):
        grant(f"DELETE, SELECT ({time})", table, RETENTION_ROLE)
        allow_duty("forgetting", table, RETENTION_ROLE)
    op.execute(
        """
        CREATE FUNCTION forget_before(moment timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE
          forgotten bigint;
        BEGIN
          PERFORM begin_duty('salambot_retention');
          DELETE FROM turns WHERE at < moment;
          GET DIAGNOSTICS forgotten = ROW_COUNT;
          DELETE FROM conversations WHERE last_at < moment;
          RETURN forgotten;
        END $$"""
    )
