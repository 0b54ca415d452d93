-- What carriers send back: receipts that say less than all, and MO that come in parts.

-- ---------------------------------------------------------------- receipts
-- Why a message's state says more than its receipts did (R-5.8): one receipt stood for all of its
-- segments, or the others never came.
ALTER TABLE message ADD COLUMN mark text;

-- The other address of a receipt: carriers swap the two. `ambiguous`: several messages are known
-- under its id, and nothing tells which of them is meant; it waits for nobody.
ALTER TABLE parked
    ADD COLUMN other text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN ambiguous boolean NOT NULL DEFAULT false;
CREATE INDEX parked_at ON parked (at, id);
-- A flood of unknown receipts costs what its rows cost: whoever takes one out knows its candidates.
ALTER TABLE parked_candidate DROP CONSTRAINT parked_candidate_parked_id_fkey;
DROP INDEX parked_candidate_parked;

-- Messages whose receipts have not said the last word, looked at again at due_at: segment 0, some
-- segments are delivered and of others nothing is heard; else a stat that no table knows.
CREATE TABLE receipt_watch (
    message_id  bigint NOT NULL,
    segment     smallint NOT NULL,
    attempt     smallint NOT NULL,
    carrier_id  smallint,
    stat        text,
    due_at      timestamptz NOT NULL,
    PRIMARY KEY (message_id, segment, attempt)
);
CREATE INDEX receipt_watch_due ON receipt_watch (due_at);

-- ---------------------------------------------------------------- MO
-- How much of a long MO there is: fewer parts than it had are as far as it came (R-5.9).
ALTER TABLE inbox
    ADD COLUMN parts smallint NOT NULL DEFAULT 1,
    ADD COLUMN parts_of smallint NOT NULL DEFAULT 1;

-- Parts of long MO that wait for the others. All parts of a message have its group_id.
CREATE SEQUENCE mo_group;
CREATE TABLE mo_part (
    group_id    bigint NOT NULL,
    part        smallint NOT NULL,
    total       smallint NOT NULL,
    carrier_id  smallint NOT NULL,
    mobile      text COLLATE "C" NOT NULL,
    destination text COLLATE "C" NOT NULL,
    reference   int NOT NULL,                         -- with what tells 8 bits, 16 bits and SAR apart
    octets      bytea NOT NULL,
    data_coding smallint NOT NULL,
    alphabet    text NOT NULL,                        -- of the carrier: what data_coding 0 means
    shift       bytea NOT NULL,                       -- the UDH's elements that name national tables
    at          timestamptz NOT NULL,
    PRIMARY KEY (group_id, part)
);
CREATE INDEX mo_part_key ON mo_part (mobile, destination, reference);
CREATE INDEX mo_part_at ON mo_part (at);

-- A part is seen before it belongs to a row of the inbox, so what was seen has a number of its own.
ALTER TABLE mo_seen DROP CONSTRAINT mo_seen_pkey;
ALTER TABLE mo_seen ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE mo_seen ADD PRIMARY KEY (carrier_id, digest, id);
ALTER TABLE mo_seen ALTER COLUMN inbox_id DROP NOT NULL;
