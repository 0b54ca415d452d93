-- The first road: from a CSV to delivery receipts.
--
-- What can't be changed later without moving every row, and why it is so:
--
-- * An id of a table that grows is (days since 1970) * 2^36 + n: it stays below 2^53, so that JSON
--   clients can hold it, it rises with time, and the day in it is the partition. No foreign keys
--   between these tables: they are dropped by day.
-- * On `message` no index holds a column that changes, so every update of a message stays HOT.
--   What is to be sent next is therefore not found by state but by `feed` (ranges of new campaign
--   messages) and `due` (single messages, retries); what is on the wire by `flight`.
-- * SMSC ids live in `submission`, which is only ever inserted into.
-- * Segments are bits of an int4 (segment 1 is bit 0): a message has at most 31 of them.

-- ---------------------------------------------------------------- words
CREATE TYPE message_state AS ENUM ('queued', 'launched', 'sent', 'delivered', 'failed', 'rejected',
    'expired', 'uncertain', 'cancelled', 'skipped');
CREATE TYPE campaign_state AS ENUM ('scheduled', 'waiting', 'running', 'paused', 'finishing',
    'completed', 'stopped', 'cancelled', 'expired');
CREATE TYPE consent_event AS ENUM ('out', 'in');

CREATE SEQUENCE entity_n MAXVALUE 68719476735 CYCLE;      -- 2^36 - 1

CREATE FUNCTION day_of(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN floor(extract(epoch FROM at) / 86400)::bigint;
CREATE FUNCTION first_id(day bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN day << 36;
CREATE FUNCTION next_id() RETURNS bigint LANGUAGE sql VOLATILE
    RETURN (day_of(now()) << 36) + nextval('entity_n');

-- ---------------------------------------------------------------- people and their things
CREATE TABLE application (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    timezone    text NOT NULL DEFAULT 'UTC',
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE setting (
    application_id int NOT NULL REFERENCES application,
    key         text NOT NULL,
    value       text NOT NULL,
    PRIMARY KEY (application_id, key)
);

CREATE TABLE sender (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL REFERENCES application,
    address     text COLLATE "C" NOT NULL,
    ton         smallint NOT NULL,
    npi         smallint NOT NULL,
    dedicated   boolean NOT NULL DEFAULT false,
    is_default  boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (application_id, address)
);
CREATE UNIQUE INDEX sender_one_default ON sender (application_id) WHERE is_default;
CREATE UNIQUE INDEX sender_one_owner ON sender (address) WHERE dedicated;

CREATE TABLE prefix_map (
    application_id int NOT NULL REFERENCES application,
    prefix      text COLLATE "C" NOT NULL CHECK (prefix ~ '^[0-9]+$'),
    replacement text COLLATE "C" NOT NULL CHECK (replacement ~ '^[1-9][0-9]*$'),
    PRIMARY KEY (application_id, prefix)
);

CREATE TABLE list (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL REFERENCES application,
    name        text NOT NULL,
    batch       text,
    email       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (application_id, name)
);

CREATE TABLE member (
    list_id     int NOT NULL REFERENCES list ON DELETE CASCADE,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    mobile      text COLLATE "C" NOT NULL,
    params      text[] NOT NULL DEFAULT '{}' CHECK (cardinality(params) <= 6),
    created_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    PRIMARY KEY (list_id, id),
    UNIQUE (list_id, mobile)
);

-- An import streams into here in short transactions and is merged at the end in one.
CREATE UNLOGGED TABLE import_row (
    import_id   uuid NOT NULL,
    line        int NOT NULL,
    mobile      text COLLATE "C" NOT NULL,
    params      text[] NOT NULL,
    mapped      boolean NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX import_row_import ON import_row (import_id);

-- What a number has said about being messaged: the newest event for the list or for all counts.
CREATE TABLE consent (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL,
    mobile      text COLLATE "C" NOT NULL,
    list_id     int,                                  -- null: all of the application
    event       consent_event NOT NULL,
    origin      text NOT NULL,                        -- mo, keyword, manual, import
    by          text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX consent_mobile ON consent (application_id, mobile, id);

-- Who did what and when: written in the transaction of the change itself.
CREATE TABLE log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    application_id int,
    by          text NOT NULL,
    action      text NOT NULL,                        -- noun.verb: list.create, campaign.cancel
    object      text NOT NULL,                        -- what it was done to: a name or an id
    before      jsonb,
    after       jsonb
);
CREATE INDEX log_application ON log (application_id, id);

-- ---------------------------------------------------------------- campaigns and the queue
CREATE TABLE campaign (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL REFERENCES application,
    list_id     int REFERENCES list,
    state       campaign_state NOT NULL DEFAULT 'scheduled',
    quick       boolean NOT NULL,
    batch       text,
    text        text NOT NULL,
    encoding    text NOT NULL DEFAULT 'auto' CHECK (encoding IN ('auto', 'gsm', 'ucs2')),
    sender      text COLLATE "C" NOT NULL,
    scheduled_at timestamptz NOT NULL,
    timezone    text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  text NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz,
    recipients  int,                                  -- members at the start; null before it
    last_member_id bigint,                            -- who joins later is not in the campaign
    fed_member_id  bigint NOT NULL DEFAULT 0,         -- members up to this one are message rows
    fed         int NOT NULL DEFAULT 0                -- how many message rows that made
);
CREATE INDEX campaign_open ON campaign (application_id, scheduled_at, id)
    WHERE state IN ('scheduled', 'waiting', 'running', 'paused', 'finishing');
CREATE INDEX campaign_list ON campaign (list_id);

-- How many messages of a campaign are in a state: the sum over its rows. Turns only insert the
-- differences that they make (two of them never wait for each other's row), dispatch adds them up.
CREATE TABLE tally (
    campaign_id bigint NOT NULL,
    state       message_state NOT NULL,
    n           int NOT NULL
);
CREATE INDEX tally_campaign ON tally (campaign_id);

CREATE TABLE message (
    id          bigint NOT NULL PRIMARY KEY,
    campaign_id bigint,
    application_id int NOT NULL,
    class       smallint NOT NULL,                    -- 0 response or transactional, 1 API, 2 campaign
    attempt     smallint NOT NULL DEFAULT 0,          -- launches so far
    refused     smallint NOT NULL DEFAULT 0,          -- of these, refused in a way that counts
    total       smallint NOT NULL DEFAULT 0,          -- segments; 0 before the first launch
    launched    int NOT NULL DEFAULT 0,               -- segments on the wire, as bits
    accepted    int NOT NULL DEFAULT 0,               -- segments that the SMSC took in any attempt
    delivered   int NOT NULL DEFAULT 0,               -- segments with a good final receipt
    failed      int NOT NULL DEFAULT 0,               -- segments that finally failed
    state       message_state NOT NULL DEFAULT 'queued',
    state_at    timestamptz NOT NULL,
    sent_at     timestamptz,                          -- the SMSC took the first segment
    created_at  timestamptz NOT NULL,
    mobile      text COLLATE "C" NOT NULL,
    sender      text COLLATE "C" NOT NULL,
    reason      text,                                 -- why it failed, was skipped or cancelled
    params      text[],                               -- of the member, as they were at the start
    text        text,                                 -- of a single message; a campaign's is in campaign
    encoding    text                                  -- of a single message
) PARTITION BY RANGE (id);
CREATE INDEX message_mobile ON message (mobile, id);  -- the latest message to a number (R-6.2)

CREATE TABLE submission (
    message_id  bigint NOT NULL,
    segment     smallint NOT NULL,
    attempt     smallint NOT NULL,
    carrier_id  smallint NOT NULL,
    smsc_id     text COLLATE "C",                     -- null: accepted without an id
    at          timestamptz NOT NULL,
    PRIMARY KEY (message_id, segment, attempt)
) PARTITION BY RANGE (message_id);
CREATE INDEX submission_smsc_id ON submission (carrier_id, smsc_id);

-- Campaign messages made and not yet launched: next_id … last_id of campaign_id.
CREATE TABLE feed (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL,
    campaign_id bigint NOT NULL,
    next_id     bigint NOT NULL,
    last_id     bigint NOT NULL,
    served_at   timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

-- Single messages to launch from due_at on: new ones outside campaigns, retries, uncertain ones.
CREATE TABLE due (
    message_id  bigint NOT NULL PRIMARY KEY,
    class       smallint NOT NULL,
    campaign_id bigint,
    due_at      timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX due_next ON due (class, due_at);

-- ---------------------------------------------------------------- carriers, nodes, what is in the air
CREATE TABLE carrier (
    id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE
);

CREATE TABLE node (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    epoch       int NOT NULL DEFAULT 0,               -- one higher at each start
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    started_at  timestamptz
) WITH (fillfactor = 50);

-- One row a turn: proof that it committed, and the messages that it launched, until all are settled.
CREATE TABLE flight (
    node_id     int NOT NULL,
    epoch       int NOT NULL,
    turn        bigint NOT NULL,
    message_ids bigint[] NOT NULL,
    PRIMARY KEY (node_id, epoch, turn)
);

-- One row a bound session: an MO that comes again on another session is a redelivery only when the
-- first session has fallen (R-5.10).
CREATE TABLE session (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id     int NOT NULL,
    epoch       int NOT NULL,
    carrier_id  smallint NOT NULL,
    bind        text NOT NULL,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz,
    close_reason text
);
CREATE INDEX session_open ON session (node_id) WHERE closed_at IS NULL;

-- Receipts whose submission is not known (yet): early ones, and those that nobody here sent.
CREATE TABLE parked (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id  smallint NOT NULL,
    ids         text[] COLLATE "C" NOT NULL,          -- candidates, the raw one first; {} = none given
    mobile      text COLLATE "C" NOT NULL,
    state       text NOT NULL,                        -- what the receipt says: smpp's ReceiptState
    stat        text,
    err         text,
    at          timestamptz NOT NULL
);
CREATE TABLE parked_candidate (
    carrier_id  smallint NOT NULL,
    smsc_id     text COLLATE "C" NOT NULL,
    parked_id   bigint NOT NULL REFERENCES parked ON DELETE CASCADE,
    PRIMARY KEY (carrier_id, smsc_id, parked_id)
);
CREATE INDEX parked_candidate_parked ON parked_candidate (parked_id);

-- ---------------------------------------------------------------- inbound
CREATE TABLE inbox (
    id          bigint NOT NULL PRIMARY KEY,
    application_id int,                               -- null: no application owns the number
    carrier_id  smallint NOT NULL,
    mobile      text COLLATE "C" NOT NULL,            -- who wrote
    destination text COLLATE "C" NOT NULL,            -- our number
    received_at timestamptz NOT NULL,
    content     text NOT NULL,
    data_coding smallint NOT NULL,
    message_id  bigint,                               -- the message that it answers
    campaign_id bigint,
    list_id     int,
    params      text[]
) PARTITION BY RANGE (id);
CREATE INDEX inbox_mobile ON inbox (mobile, id);
CREATE INDEX inbox_application ON inbox (application_id, id);

CREATE TABLE mo_seen (
    carrier_id  smallint NOT NULL,
    digest      bytea NOT NULL,
    inbox_id    bigint NOT NULL,
    session_id  bigint NOT NULL,
    answered    boolean NOT NULL DEFAULT false,       -- our deliver_sm_resp has been written
    at          timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, digest, inbox_id)
);
CREATE INDEX mo_seen_at ON mo_seen (at);

-- ---------------------------------------------------------------- partitions
-- A message row is updated three times in its life (launch, settle, receipt): half a page of room
-- keeps these updates HOT. Vacuum comes for the visibility map and the wrap-around only, so it may
-- wait until a fifth of a day's rows has changed; inserts don't need it.
CREATE FUNCTION ensure_partitions(first_day date, days int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    day date;
    made int := 0;
    parent text;
    options text;
    low bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('siaran ensure_partitions'));
    FOR i IN 0 .. days - 1 LOOP
        day := first_day + i;
        low := first_id((day - date '1970-01-01')::bigint);
        FOREACH parent IN ARRAY ARRAY['message', 'submission', 'inbox'] LOOP
            CONTINUE WHEN to_regclass(format('%I', parent || '_' || to_char(day, 'YYYYMMDD'))) IS NOT NULL;
            options := CASE parent WHEN 'message'
                THEN ' WITH (fillfactor = 50, autovacuum_vacuum_insert_scale_factor = 1)' ELSE '' END;
            EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)%s',
                parent || '_' || to_char(day, 'YYYYMMDD'), parent, low,
                first_id((day - date '1970-01-01')::bigint + 1), options);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- ---------------------------------------------------------------- what a fresh installation has
INSERT INTO application (name) VALUES ('default');
INSERT INTO sender (application_id, address, ton, npi, dedicated, is_default)
    SELECT id, '3774', 3, 0, true, true FROM application WHERE name = 'default';
SELECT ensure_partitions((now() AT TIME ZONE 'UTC')::date, 3);
