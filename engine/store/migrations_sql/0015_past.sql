-- What is known of days whose messages and MO were dropped for their age: reports go on from it.
--
-- Summed up from the rows in the transaction that drops them: a row is counted by itself or here.
CREATE TABLE past (
    day         date NOT NULL,
    application_id int,                               -- null: MO to a number that nobody owns
    campaign_id bigint,                               -- null: outside campaigns
    what        text NOT NULL,                        -- message, segment, mo
    key         text NOT NULL,                        -- its state; accepted, delivered; ''
    n           bigint NOT NULL
);
CREATE INDEX past_campaign ON past (campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX past_day ON past (day);
