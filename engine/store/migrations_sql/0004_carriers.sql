-- Several carriers: routes, what the binds are doing, and words to a running engine.

-- A route of the configuration, by what it matches, so that rows can name it by a number.
CREATE TABLE route (
    id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text COLLATE "C" NOT NULL UNIQUE
);

-- What waits for its carriers waits by route: a route without room is passed over as a whole, and
-- what stands behind it on other routes is found without looking at what it holds.
ALTER TABLE due ADD COLUMN route_id smallint NOT NULL DEFAULT 0;  -- 0: no turn has judged it yet
DROP INDEX due_next;
CREATE INDEX due_next ON due (class, route_id, due_at);

-- A carrier that an administrator (or many refusals in a row) has paused, over restarts.
ALTER TABLE carrier
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN paused_by text,
    ADD COLUMN pause_reason text;

-- What each bind of each node is doing: written by the node when it changes, and every few seconds.
CREATE TABLE bind (
    node_id     int NOT NULL,
    name        text NOT NULL,
    carrier_id  smallint NOT NULL,
    mode        text NOT NULL,
    state       text NOT NULL,
    since       timestamptz NOT NULL,
    last_error  text,
    window_size int NOT NULL,
    outstanding int NOT NULL,
    rate        real NOT NULL,                        -- PDUs a second now, of the carrier; 0: no limit
    rate_limit  real NOT NULL,                        -- as configured
    latency_ms  real,                                 -- of the last responses; null: none yet
    PRIMARY KEY (node_id, name)
) WITH (fillfactor = 50);

-- What a person asks of a running engine; the node answers in place.
CREATE TABLE node_command (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id     int NOT NULL,
    verb        text NOT NULL,
    argument    text NOT NULL,
    by          text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    failed      boolean NOT NULL DEFAULT false,
    answer      text
);
CREATE INDEX node_command_open ON node_command (node_id, id) WHERE answered_at IS NULL;

-- Why the engine, or a person, has paused a campaign.
ALTER TABLE campaign ADD COLUMN pause_reason text;
