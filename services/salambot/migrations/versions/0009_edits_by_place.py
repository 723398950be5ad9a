"""An edit may name its original by the place of it: Telegram's updates have other ids than the messages in them."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Let `amend_inbound` find a waiting message of the same person by its recipient, too."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION amend_inbound(
          of_tenant text, of_channel text, by_message text, original text, of_kind text, new_content text,
          new_sealed text, new_preview text)
        RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
          waiting record;
        BEGIN
          SELECT message_id, party INTO waiting FROM inbox WHERE tenant = of_tenant AND channel = of_channel
            AND (message_id = original OR recipient = original AND message_id <> by_message AND party = (
              SELECT party FROM inbox WHERE tenant = of_tenant AND channel = of_channel AND message_id = by_message))
            AND state = 'pending' AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
            AND NOT EXISTS (SELECT FROM outbox WHERE outbox.tenant = of_tenant AND outbox.channel = of_channel
              AND outbox.message_id = inbox.message_id)
            ORDER BY number LIMIT 1 FOR UPDATE;
          IF NOT FOUND THEN
            RETURN;
          END IF;
          IF of_kind = 'revoked' THEN
            UPDATE inbox SET state = 'done', outcome = 'revoked', content = NULL, recipient = NULL, sealed = NULL,
                preview = '', finished_at = clock_timestamp()
              WHERE tenant = of_tenant AND channel = of_channel AND message_id = waiting.message_id;
            RETURN;
          END IF;
          -- Of an edit that is stored already the first wins, and only who wrote a message may edit it.
          UPDATE inbox SET state = 'done', outcome = 'edit', content = NULL, recipient = NULL,
              finished_at = clock_timestamp()
            WHERE tenant = of_tenant AND channel = of_channel AND message_id = by_message AND party = waiting.party
              AND state = 'pending' AND claimed_until IS NULL;
          IF FOUND THEN
            UPDATE inbox SET content = new_content, preview = new_preview, kind = of_kind,
                sealed = decode(new_sealed, 'base64')
              WHERE tenant = of_tenant AND channel = of_channel AND message_id = waiting.message_id;
          END IF;
        END $$"""
    )
