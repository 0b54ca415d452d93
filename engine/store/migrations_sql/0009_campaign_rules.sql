-- What a campaign may be told beyond its text and its time (R-3.5 to R-3.10, R-4), and the sending
-- hours of an application.

ALTER TABLE campaign
    ADD COLUMN respect_hours boolean NOT NULL DEFAULT false,  -- quick ones always do
    ADD COLUMN recipient_time boolean NOT NULL DEFAULT false, -- hours by each recipient's own zone
    ADD COLUMN not_after   timestamptz,                       -- what is unsent then expires
    ADD COLUMN rate        double precision CHECK (rate > 0), -- messages a second; null: no limit
    ADD COLUMN template    text,                              -- the name of the template it began with
    ADD COLUMN opted_out_reason text,                         -- why it goes to who has opted out, too
    ADD COLUMN from_campaign_id bigint,                       -- its recipients are of that campaign,
    ADD COLUMN from_state  message_state,                     -- those that were in this state
    ADD COLUMN version     int NOT NULL DEFAULT 1,            -- grows with each edit
    ADD COLUMN yielded_at  timestamptz,                       -- gave the turn away: is next in line
    ADD COLUMN deleted_at  timestamptz;

-- Recipients of a campaign that has no list of its own: `new --from ID --status S`. `id` is the
-- message of the earlier campaign, in whose order they are sent to.
CREATE TABLE campaign_recipient (
    campaign_id bigint NOT NULL REFERENCES campaign ON DELETE CASCADE,
    id          bigint NOT NULL,
    mobile      text COLLATE "C" NOT NULL,
    params      text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (campaign_id, id)
);

-- Sending hours [from, to) on days of the week, as bits from Monday = 1; a window belongs to the day
-- on which it begins (R-4.1, R-4.3). No row, or not enabled: always.
CREATE TABLE sending_hours (
    application_id int PRIMARY KEY REFERENCES application,
    enabled     boolean NOT NULL DEFAULT true,
    from_hour   smallint NOT NULL CHECK (from_hour BETWEEN 0 AND 23),
    to_hour     smallint NOT NULL CHECK (to_hour BETWEEN 0 AND 24),
    days        smallint NOT NULL CHECK (days BETWEEN 1 AND 127),
    timezone    text,                                         -- null: the application's
    CHECK (from_hour <> to_hour)
);
