-- How campaigns share the turn: what turns must know of them, and what the queue puts aside.

ALTER TABLE campaign
    ADD COLUMN open_until timestamptz,                -- nothing of it is launched from then on; the
                                                      -- queue renews it with the sending hours
    ADD COLUMN clearing message_state;                -- what becomes of what was unsent at its end;
                                                      -- null: nothing is left of it
CREATE INDEX campaign_clearing ON campaign (application_id) WHERE clearing IS NOT NULL;

-- Beside routes, `due` names two places where no turn looks: -2, its campaign may not launch now;
-- -3, outside its recipient's hours. The queue brings them back, campaign by campaign.
CREATE INDEX due_campaign ON due (campaign_id, route_id, due_at) WHERE campaign_id IS NOT NULL;

-- How far campaigns with a rate have come: what was launched is paid for up to this moment. One turn
-- at a time has it.
CREATE TABLE campaign_pace (
    campaign_id bigint PRIMARY KEY,
    at          timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What applications with a daily quota have launched, on the last day on which they did.
CREATE TABLE daily_use (
    application_id int PRIMARY KEY,
    day         date NOT NULL,
    n           int NOT NULL
) WITH (fillfactor = 50);
