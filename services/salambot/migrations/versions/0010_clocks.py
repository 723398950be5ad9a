"""A clock that is set back keeps no message waiting until it has caught up."""

from alembic import op

from salambot.migrations.tenancy import DELIVERY_ROLE, grant

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Let `due_conversations` end the waits that are longer than any of ours; a live claim is renewed in time."""
    grant("UPDATE (due_at)", "inbox", DELIVERY_ROLE)
    op.execute(
        """
        CREATE OR REPLACE FUNCTION due_conversations(most int, quiet interval) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE
          due jsonb;
          longest timestamptz := clock_timestamp() + interval '10 minutes';
        BEGIN
          PERFORM begin_duty('salambot_delivery');
          UPDATE inbox SET due_at = least(due_at, clock_timestamp()), dispatched_at = '-infinity',
              claimed_until = CASE WHEN claimed_until > longest THEN clock_timestamp() + interval '15 seconds'
                              ELSE claimed_until END
            WHERE state = 'pending' AND greatest(due_at, dispatched_at, claimed_until) > longest;
          WITH waiting AS (
            SELECT tenant, channel, message_id FROM inbox
            WHERE state = 'pending' AND due_at <= clock_timestamp() AND dispatched_at < clock_timestamp() - quiet
              AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
            ORDER BY due_at LIMIT most FOR UPDATE SKIP LOCKED),
          marked AS (
            UPDATE inbox SET dispatched_at = clock_timestamp() FROM waiting
            WHERE inbox.tenant = waiting.tenant AND inbox.channel = waiting.channel
              AND inbox.message_id = waiting.message_id
            RETURNING inbox.tenant, inbox.channel, inbox.party)
          SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(tenant, channel, party)), '[]') INTO due FROM marked;
          RETURN due;
        END $$"""
    )
