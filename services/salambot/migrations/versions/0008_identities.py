"""One person with two ids (WhatsApp: a phone number, a business-scoped user id) is one conversation; edits, revokes."""

from alembic import op

from salambot.migrations.tenancy import RETENTION_ROLE, allow_duty, enable_row_level_security, grant

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table of identities, what links them, and the way into the inbox that follows them."""
    _create_identities()
    _create_linking()
    _create_receiving()
    _create_amending()
    _create_reminding()
    _allow_forgetting()


def _create_identities() -> None:
    op.execute(
        """
        CREATE TABLE identities (
          tenant text NOT NULL,
          channel text NOT NULL,
          party text NOT NULL,         -- a keyed hash of one id of the person
          person text NOT NULL,        -- the hash that all rows of this person stand under
          seen_at timestamptz NOT NULL DEFAULT now(),
          PRIMARY KEY (tenant, channel, party))"""
    )
    op.execute("CREATE INDEX identities_person ON identities (tenant, channel, person)")
    enable_row_level_security("identities")


def _create_linking() -> None:
    op.execute(
        """
        CREATE FUNCTION link_identities(of_tenant text, of_channel text, one text, other text) RETURNS text
        LANGUAGE plpgsql AS $$
        DECLARE
          first text;
          second text;
          keep text;
          gone text;
        BEGIN
          SELECT person INTO first FROM identities WHERE tenant = of_tenant AND channel = of_channel AND party = one;
          SELECT person INTO second FROM identities WHERE tenant = of_tenant AND channel = of_channel AND party = other;
          IF first = second THEN
            UPDATE identities SET seen_at = now()
              WHERE tenant = of_tenant AND channel = of_channel AND party IN (one, other)
                AND seen_at < now() - interval '1 day';
            RETURN first;
          END IF;
          -- Two at once that link the same person wait for one another, in one order.
          PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws('/', 'identity', of_tenant, of_channel, id), 0))
            FROM unnest(ARRAY[least(one, other), greatest(one, other)]) AS id;
          keep := coalesce(second, first, CASE WHEN EXISTS (
              SELECT FROM conversations WHERE tenant = of_tenant AND channel = of_channel AND party = other)
            THEN other ELSE one END);
          FOR gone IN SELECT DISTINCT id FROM unnest(ARRAY[first, second, one, other]) AS id
              WHERE id IS NOT NULL AND id <> keep LOOP
            UPDATE identities SET person = keep
              WHERE tenant = of_tenant AND channel = of_channel AND person = gone;
            UPDATE inbox SET party = keep
              WHERE tenant = of_tenant AND channel = of_channel AND party = gone AND state = 'pending';
            DELETE FROM writing_reminders WHERE tenant = of_tenant AND channel = of_channel AND party = gone;
            UPDATE turns SET party = keep WHERE tenant = of_tenant AND channel = of_channel AND party = gone;
            WITH old AS (
              DELETE FROM conversations WHERE tenant = of_tenant AND channel = of_channel AND party = gone RETURNING *)
            INSERT INTO conversations AS kept (tenant, channel, party, language, turns, started_at, last_at)
              SELECT tenant, channel, keep, language, turns, started_at, last_at FROM old
              ON CONFLICT (tenant, channel, party) DO UPDATE SET turns = kept.turns + excluded.turns,
                started_at = least(kept.started_at, excluded.started_at),
                last_at = greatest(kept.last_at, excluded.last_at);
          END LOOP;
          INSERT INTO identities (tenant, channel, party, person)
            SELECT DISTINCT of_tenant, of_channel, id, keep FROM unnest(ARRAY[one, other, keep]) AS id
            ON CONFLICT (tenant, channel, party) DO UPDATE SET person = keep, seen_at = now();
          RETURN keep;
        END $$"""
    )


def _create_receiving() -> None:
    """Add the one round trip of a webhook: links first, then messages, edits and revocations; returns what is new."""
    op.execute(
        """
        CREATE FUNCTION store_messages(arrivals jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE
          of_tenant text;
          event record;
          stored jsonb;
          all_stored jsonb := '[]';
        BEGIN
          FOR of_tenant IN SELECT DISTINCT value ->> 'tenant' FROM jsonb_array_elements(arrivals) LOOP
            PERFORM enter_tenant(of_tenant);
            PERFORM link_identities(of_tenant, pair.channel, pair.party, pair.other_party) FROM (
              SELECT DISTINCT value ->> 'channel' AS channel, value ->> 'party' AS party,
                     value ->> 'other_party' AS other_party
              FROM jsonb_array_elements(arrivals)
              WHERE value ->> 'tenant' = of_tenant AND value ->> 'other_party' <> '' ORDER BY 1, 2, 3) AS pair;
            WITH fresh AS (
              INSERT INTO inbox (tenant, channel, message_id, account, party, recipient, kind, content, sealed,
                                 preview, locale, sent_at, traceparent, correlation_id)
              SELECT tenant, channel, message_id, account, coalesce(known.person, arrival.party), recipient, kind,
                     content, decode(sealed, 'base64'), preview, locale, sent_at, traceparent, correlation_id
              FROM ROWS FROM (jsonb_to_recordset(arrivals) AS (
                tenant text, channel text, message_id text, account text, party text, recipient text, kind text,
                content text, sealed text, preview text, locale text, sent_at timestamptz, traceparent text,
                correlation_id text)) WITH ORDINALITY AS arrival
              LEFT JOIN identities AS known USING (tenant, channel, party)
              WHERE tenant = of_tenant AND kind IN ('text', 'unsupported') ORDER BY ordinality
              ON CONFLICT DO NOTHING
              RETURNING tenant, channel, message_id, party)
            SELECT jsonb_agg(jsonb_build_array(tenant, channel, message_id, party)) INTO stored FROM fresh;
            all_stored := all_stored || coalesce(stored, '[]');
            FOR event IN SELECT * FROM jsonb_to_recordset(arrivals) AS (
                tenant text, channel text, message_id text, kind text, content text, sealed text, preview text,
                replaces text)
                WHERE tenant = of_tenant AND replaces <> '' LOOP
              PERFORM amend_inbound(of_tenant, event.channel, event.message_id, event.replaces, event.kind,
                                    event.content, event.sealed, event.preview);
            END LOOP;
          END LOOP;
          RETURN all_stored;
        END $$"""
    )


def _create_amending() -> None:
    """Let an edit take the place of a message that nobody began to answer, and a revocation end it."""
    op.execute(
        """
        CREATE FUNCTION amend_inbound(
          of_tenant text, of_channel text, by_message text, original text, of_kind text, new_content text,
          new_sealed text, new_preview text)
        RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
          sender text;
        BEGIN
          SELECT party INTO sender FROM inbox WHERE tenant = of_tenant AND channel = of_channel
            AND message_id = original AND state = 'pending'
            AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
            AND NOT EXISTS (SELECT FROM outbox WHERE outbox.tenant = of_tenant AND outbox.channel = of_channel
              AND outbox.message_id = original)
            FOR UPDATE;
          IF NOT FOUND THEN
            RETURN;
          END IF;
          IF of_kind = 'revoked' THEN
            UPDATE inbox SET state = 'done', outcome = 'revoked', content = NULL, recipient = NULL, sealed = NULL,
                preview = '', finished_at = clock_timestamp()
              WHERE tenant = of_tenant AND channel = of_channel AND message_id = original;
            RETURN;
          END IF;
          -- Of an edit that is stored already the first wins, and only who wrote a message may edit it.
          UPDATE inbox SET state = 'done', outcome = 'edit', content = NULL, recipient = NULL,
              finished_at = clock_timestamp()
            WHERE tenant = of_tenant AND channel = of_channel AND message_id = by_message AND party = sender
              AND state = 'pending' AND claimed_until IS NULL;
          IF FOUND THEN
            UPDATE inbox SET content = new_content, preview = new_preview, kind = of_kind,
                sealed = decode(new_sealed, 'base64')
              WHERE tenant = of_tenant AND channel = of_channel AND message_id = original;
          END IF;
        END $$"""
    )


def _create_reminding() -> None:
    """Add what tells a person only once that written messages are read, whatever else comes."""
    op.execute(
        """
        CREATE TABLE writing_reminders (
          tenant text NOT NULL,
          channel text NOT NULL,
          party text NOT NULL,
          message_id text NOT NULL,    -- the message that was answered so
          at timestamptz NOT NULL DEFAULT now(),
          PRIMARY KEY (tenant, channel, party))"""
    )
    enable_row_level_security("writing_reminders")
    op.execute(
        """
        CREATE FUNCTION remind_to_write(of_tenant text, of_channel text, of_party text, of_message text)
        RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          INSERT INTO writing_reminders (tenant, channel, party, message_id)
            VALUES (of_tenant, of_channel, of_party, of_message) ON CONFLICT DO NOTHING;
          RETURN EXISTS (SELECT FROM writing_reminders WHERE tenant = of_tenant AND channel = of_channel
            AND party = of_party AND message_id = of_message);
        END $$"""
    )


def _allow_forgetting() -> None:
    for table, moment in (("identities", "seen_at"), ("writing_reminders", "at")):
        allow_duty("forgetting", table, RETENTION_ROLE)
        grant(f"DELETE, SELECT ({moment})", table, RETENTION_ROLE)
    op.execute(
        """
        CREATE FUNCTION forget_identities(before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE
          forgotten bigint;
        BEGIN
          PERFORM begin_duty('salambot_retention');
          DELETE FROM writing_reminders WHERE at < before;
          DELETE FROM identities WHERE seen_at < before;
          GET DIAGNOSTICS forgotten = ROW_COUNT;
          RETURN forgotten;
        END $$"""
    )
