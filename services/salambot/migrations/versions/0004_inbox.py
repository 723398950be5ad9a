"""The inbox of webhooks and the outbox of their replies: what is in them survives any crash."""

from alembic import op

from salambot.migrations.tenancy import (
    DELIVERY_ROLE,
    RETENTION_ROLE,
    add_duty,
    allow_duty,
    enable_row_level_security,
    grant,
)

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables, the functions of the gateway and the worker, and what may look across tenants."""
    _create_tables()
    _create_receiving()
    _create_claiming()
    _create_sending()
    _allow_dispatching()
    _allow_forgetting()


def _create_tables() -> None:
    op.execute(
        """
        CREATE TABLE inbox (
          tenant text NOT NULL,
          channel text NOT NULL,
          message_id text NOT NULL,
          number bigint GENERATED ALWAYS AS IDENTITY,
          account text NOT NULL,       -- the page or phone number that was written to
          party text NOT NULL,         -- a keyed hash of the user
          recipient text,              -- whom to send to; erased once there is nothing left to send
          kind text NOT NULL CHECK (kind IN ('text', 'unsupported')),
          content text,                -- erased with the recipient
          sealed bytea,                -- both, encrypted, for a day, where the developer wants to replay
          preview text NOT NULL,       -- redacted
          locale text,
          sent_at timestamptz NOT NULL,
          received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          traceparent text NOT NULL,
          correlation_id text NOT NULL,
          state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
          outcome text,                -- how it ended, or why the last attempt failed
          attempts int NOT NULL DEFAULT 0,
          due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          dispatched_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          claimed_by text,
          claimed_until timestamptz,
          finished_at timestamptz,
          PRIMARY KEY (tenant, channel, message_id))"""
    )
    op.execute("CREATE INDEX inbox_waiting ON inbox (tenant, channel, party, sent_at, number) WHERE state = 'pending'")
    op.execute("CREATE INDEX inbox_due ON inbox (due_at) WHERE state = 'pending'")
    op.execute("CREATE INDEX inbox_received_at ON inbox USING brin (received_at)")
    op.execute(
        """
        CREATE TABLE outbox (
          tenant text NOT NULL,
          channel text NOT NULL,
          message_id text NOT NULL,    -- of the message that is answered
          part int NOT NULL,           -- from 1; a long reply has several
          content text NOT NULL,
          language text NOT NULL,
          state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'sent', 'kept')),
          tries int NOT NULL DEFAULT 0,
          provider_id text,
          sent_at timestamptz,
          PRIMARY KEY (tenant, channel, message_id, part),
          FOREIGN KEY (tenant, channel, message_id) REFERENCES inbox ON DELETE CASCADE)"""
    )
    for table in ("inbox", "outbox"):
        enable_row_level_security(table)


def _create_receiving() -> None:
    """Add the one round trip of a webhook: all its messages, of all its tenants; returns those that are new."""
    op.execute(
        """
        CREATE FUNCTION store_inbound(arrivals jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE
          of_tenant text;
          stored jsonb;
          all_stored jsonb := '[]';
        BEGIN
          FOR of_tenant IN SELECT DISTINCT value ->> 'tenant' FROM jsonb_array_elements(arrivals) LOOP
            PERFORM enter_tenant(of_tenant);
            WITH fresh AS (
              INSERT INTO inbox (tenant, channel, message_id, account, party, recipient, kind, content, sealed,
                                 preview, locale, sent_at, traceparent, correlation_id)
              SELECT tenant, channel, message_id, account, party, recipient, kind, content, decode(sealed, 'base64'),
                     preview, locale, sent_at, traceparent, correlation_id
              FROM ROWS FROM (jsonb_to_recordset(arrivals) AS (
                tenant text, channel text, message_id text, account text, party text, recipient text, kind text,
                content text, sealed text, preview text, locale text, sent_at timestamptz, traceparent text,
                correlation_id text)) WITH ORDINALITY AS arrival
              WHERE tenant = of_tenant ORDER BY ordinality
              ON CONFLICT DO NOTHING
              RETURNING tenant, channel, message_id)
            SELECT jsonb_agg(jsonb_build_array(tenant, channel, message_id)) INTO stored FROM fresh;
            all_stored := all_stored || coalesce(stored, '[]');
          END LOOP;
          RETURN all_stored;
        END $$"""
    )


def _create_claiming() -> None:
    op.execute(
        """
        CREATE FUNCTION claim_inbound(of_tenant text, of_channel text, of_party text, by_worker text, lease interval)
        RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE
          head inbox;
        BEGIN
          PERFORM enter_tenant(of_tenant);
          -- One claim a conversation: its messages are answered one after the other, in the order they were sent.
          PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws('/', of_tenant, of_channel, of_party), 0));
          PERFORM FROM inbox WHERE tenant = of_tenant AND channel = of_channel AND party = of_party
            AND state = 'pending' AND claimed_until > clock_timestamp();
          IF FOUND THEN
            RETURN NULL;
          END IF;
          SELECT * INTO head FROM inbox
            WHERE tenant = of_tenant AND channel = of_channel AND party = of_party AND state = 'pending'
            ORDER BY sent_at, number LIMIT 1;
          IF head.tenant IS NULL OR head.due_at > clock_timestamp() THEN
            RETURN NULL;
          END IF;
          UPDATE inbox SET claimed_by = by_worker, claimed_until = clock_timestamp() + lease, attempts = attempts + 1
            WHERE tenant = of_tenant AND channel = of_channel AND message_id = head.message_id;
          RETURN jsonb_build_object(
            'tenant', of_tenant, 'channel', of_channel, 'party', of_party, 'message_id', head.message_id,
            'account', head.account, 'recipient', head.recipient, 'kind', head.kind, 'content', head.content,
            'locale', head.locale, 'sent_at', head.sent_at, 'traceparent', head.traceparent,
            'correlation_id', head.correlation_id, 'attempts', head.attempts + 1, 'claim', by_worker,
            'language', (SELECT language FROM conversations
                         WHERE tenant = of_tenant AND channel = of_channel AND party = of_party),
            'parts', outbox_parts(of_tenant, of_channel, head.message_id));
        END $$"""
    )
    op.execute(
        """
        CREATE FUNCTION outbox_parts(of_tenant text, of_channel text, of_message text) RETURNS jsonb LANGUAGE sql AS $$
          SELECT coalesce(jsonb_agg(jsonb_build_object(
            'part', part, 'content', content, 'sent', state IN ('sent', 'kept')) ORDER BY part), '[]')
          FROM outbox WHERE tenant = of_tenant AND channel = of_channel AND message_id = of_message
        $$"""
    )
    op.execute(
        """
        CREATE FUNCTION release_inbound(
          of_tenant text, of_channel text, of_message text, by_worker text, into_state text, with_outcome text,
          wait interval)
        RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          UPDATE inbox SET claimed_by = NULL, claimed_until = NULL, state = into_state, outcome = with_outcome,
              due_at = clock_timestamp() + wait,
              finished_at = CASE WHEN into_state = 'pending' THEN NULL ELSE clock_timestamp() END,
              recipient = CASE WHEN into_state = 'done' THEN NULL ELSE recipient END,
              content = CASE WHEN into_state = 'done' THEN NULL ELSE content END
            WHERE tenant = of_tenant AND channel = of_channel AND message_id = of_message AND claimed_by = by_worker;
          RETURN FOUND;
        END $$"""
    )


def _create_sending() -> None:
    op.execute(
        """
        CREATE FUNCTION write_outbox(
          of_tenant text, of_channel text, of_message text, by_worker text, in_language text, texts text[])
        RETURNS jsonb LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          PERFORM FROM inbox WHERE tenant = of_tenant AND channel = of_channel AND message_id = of_message
            AND claimed_by = by_worker FOR UPDATE;
          IF NOT FOUND THEN
            RETURN NULL;
          END IF;
          INSERT INTO outbox (tenant, channel, message_id, part, content, language)
            SELECT of_tenant, of_channel, of_message, ordinality, text, in_language
            FROM unnest(texts) WITH ORDINALITY AS given (text) ON CONFLICT DO NOTHING;
          RETURN outbox_parts(of_tenant, of_channel, of_message);
        END $$"""
    )
    op.execute(
        """
        CREATE FUNCTION begin_send(
          of_tenant text, of_channel text, of_message text, by_worker text, of_part int, lease interval)
        RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          -- Only who holds the claim sends, and holds it for longer than a send may take.
          UPDATE inbox SET claimed_until = clock_timestamp() + lease
            WHERE tenant = of_tenant AND channel = of_channel AND message_id = of_message
              AND claimed_by = by_worker AND claimed_until > clock_timestamp();
          IF NOT FOUND THEN
            RETURN false;
          END IF;
          UPDATE outbox SET state = 'sending', tries = tries + 1
            WHERE tenant = of_tenant AND channel = of_channel AND message_id = of_message AND part = of_part
              AND state IN ('waiting', 'sending');
          RETURN FOUND;
        END $$"""
    )
    op.execute(
        """
        CREATE FUNCTION end_send(
          of_tenant text, of_channel text, of_message text, of_part int, into_state text, given_id text)
        RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          UPDATE outbox SET state = into_state, provider_id = given_id, sent_at = clock_timestamp()
            WHERE tenant = of_tenant AND channel = of_channel AND message_id = of_message AND part = of_part;
        END $$"""
    )


def _allow_dispatching() -> None:
    """Add a role that sees which conversations of all tenants wait, and nothing of what was said."""
    add_duty(DELIVERY_ROLE)
    allow_duty("dispatching", "inbox", DELIVERY_ROLE)
    seen = "tenant, channel, message_id, party, number, state, received_at, due_at, dispatched_at"
    grant(f"SELECT ({seen}, claimed_by, claimed_until)", "inbox", DELIVERY_ROLE)
    grant("UPDATE (dispatched_at, claimed_until)", "inbox", DELIVERY_ROLE)
    op.execute(
        """
        CREATE FUNCTION due_conversations(most int, quiet interval) RETURNS jsonb LANGUAGE plpgsql AS $$
        DECLARE
          due jsonb;
        BEGIN
          PERFORM begin_duty('salambot_delivery');
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
    op.execute(
        """
        CREATE FUNCTION extend_claims(claims text[], lease interval) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM begin_duty('salambot_delivery');
          UPDATE inbox SET claimed_until = clock_timestamp() + lease
            WHERE state = 'pending' AND claimed_by = ANY (claims) AND claimed_until > clock_timestamp();
        END $$"""
    )
    op.execute(
        """
        CREATE FUNCTION inbox_load() RETURNS jsonb LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM begin_duty('salambot_delivery');
          RETURN (SELECT jsonb_build_object('pending', count(*), 'oldest_s',
                    coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0))
                  FROM inbox WHERE state = 'pending');
        END $$"""
    )


def _allow_forgetting() -> None:
    allow_duty("forgetting", "inbox", RETENTION_ROLE)
    grant("DELETE, SELECT (received_at, sealed), UPDATE (sealed)", "inbox", RETENTION_ROLE)
    op.execute(
        """
        CREATE FUNCTION forget_inbound(before timestamptz, unseal_before timestamptz) RETURNS bigint
        LANGUAGE plpgsql AS $$
        DECLARE
          forgotten bigint;
        BEGIN
          PERFORM begin_duty('salambot_retention');
          DELETE FROM inbox WHERE received_at < before;
          GET DIAGNOSTICS forgotten = ROW_COUNT;
          UPDATE inbox SET sealed = NULL WHERE received_at < unseal_before AND sealed IS NOT NULL;
          RETURN forgotten;
        END $$"""
    )
