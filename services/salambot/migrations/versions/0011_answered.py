"""A turn remembers if the documents answered it, so that the operator finds what they say nothing about."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column, and a `record_exchange` that takes it; the one before stays for services that still run."""
    op.execute("ALTER TABLE turns ADD COLUMN answered boolean NOT NULL DEFAULT true")
    op.execute(
        """
        CREATE FUNCTION record_exchange(
          of_tenant text, of_channel text, of_party text, in_language text, of_message text, prompt text, reply text,
          by_actor text, with_outcome text, of_trace text, of_correlation text, most int, since timestamptz,
          is_answer boolean)
        RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE
          latest jsonb := record_exchange(of_tenant, of_channel, of_party, in_language, of_message, prompt, reply,
            by_actor, with_outcome, of_trace, of_correlation, most, since);
        BEGIN
          IF NOT is_answer THEN
            UPDATE turns SET answered = false
              WHERE tenant = of_tenant AND channel = of_channel AND party = of_party AND message_id = of_message
                AND role = 'assistant';
          END IF;
          RETURN latest;
        END $$"""
    )
