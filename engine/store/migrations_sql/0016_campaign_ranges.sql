-- Where the messages of a campaign lie: one range of ids for each chunk that became message rows.
--
-- Messages have no index by campaign, since one would cost every launch; with these a report reads a
-- campaign of a million beside ten millions of others by the primary key. Others' ids may lie
-- between first_id and last_id. A campaign whose `fed` is more than the sum of `n` (begun by an
-- engine of the previous version) has no ranges to go by.
CREATE TABLE campaign_range (
    campaign_id bigint NOT NULL,
    first_id    bigint NOT NULL,
    last_id     bigint NOT NULL,
    n           int NOT NULL,
    PRIMARY KEY (campaign_id, first_id)
);
