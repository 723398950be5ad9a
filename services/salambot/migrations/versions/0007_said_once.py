"""An exchange that is made again, because who asked for it never heard of the first, stands in a conversation once."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Let an exchange take the place of an earlier one of the same message and prompt."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION record_exchange(
          of_tenant text, of_channel text, of_party text, in_language text, of_message text, prompt text, reply text,
          by_actor text, with_outcome text, of_trace text, of_correlation text, most int, since timestamptz)
        RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE
          known_turns int;
          replaced int;
        BEGIN
          PERFORM enter_tenant(of_tenant);
          INSERT INTO conversations AS known (tenant, channel, party, language, turns)
            VALUES (of_tenant, of_channel, of_party, in_language, 2)
            ON CONFLICT (tenant, channel, party) DO UPDATE
            SET language = in_language, turns = known.turns + 2, last_at = now()
            RETURNING known.turns INTO known_turns;
          IF known_turns > 2 THEN
            -- Its row is locked by the statement above: of two that record one message the second sees the first.
            DELETE FROM turns
              WHERE tenant = of_tenant AND channel = of_channel AND party = of_party AND message_id = of_message
                AND EXISTS (
                  SELECT FROM turns AS asked
                  WHERE asked.tenant = of_tenant AND asked.channel = of_channel AND asked.party = of_party
                    AND asked.message_id = of_message AND asked.role = 'user' AND asked.content = prompt);
            GET DIAGNOSTICS replaced = ROW_COUNT;
            IF replaced > 0 THEN
              UPDATE conversations SET turns = known_turns - replaced
                WHERE tenant = of_tenant AND channel = of_channel AND party = of_party;
            END IF;
          END IF;
          INSERT INTO turns (tenant, channel, party, role, content, message_id)
            VALUES (of_tenant, of_channel, of_party, 'user', prompt, of_message),
                   (of_tenant, of_channel, of_party, 'assistant', reply, of_message);
          INSERT INTO audit (tenant, actor, action, outcome, trace_id, correlation_id)
            VALUES (of_tenant, by_actor, 'reply', with_outcome, of_trace, of_correlation);
          RETURN CASE WHEN most > 0 THEN recent_turns(of_tenant, of_channel, of_party, most, since) END;
        END $$"""
    )
