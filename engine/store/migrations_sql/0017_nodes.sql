-- Several nodes: who is who, who is gone and was seen to, who launches nothing.

-- An engine of an older version fills none of these; its name is then free to whoever starts with it,
-- as it was, and its lease says whether it lives.
ALTER TABLE node
    ADD COLUMN instance text,                         -- the process that has the epoch
    ADD COLUMN place text,                            -- where its name is held by a lock
    ADD COLUMN host text,
    ADD COLUMN version text,
    ADD COLUMN over_epoch int NOT NULL DEFAULT 0,     -- this epoch has ended, and all it left is seen to
    ADD COLUMN lost_at timestamptz,                   -- null: it is up, or was stopped
    ADD COLUMN taken_over_by text,
    ADD COLUMN taken_over int NOT NULL DEFAULT 0,     -- messages that were uncertain by that
    ADD COLUMN skew_s real NOT NULL DEFAULT 0,        -- its clock ahead of the database's
    ADD COLUMN draining_at timestamptz,               -- it launches nothing until this is taken back
    ADD COLUMN draining_by text,
    ADD COLUMN routes jsonb NOT NULL DEFAULT '[]';    -- as it is configured

-- What left nothing has been seen to.
UPDATE node SET over_epoch = epoch
 WHERE lease_until < now() AND NOT EXISTS (SELECT FROM flight f WHERE f.node_id = node.id);

-- A carrier's rate is one for all nodes: the part of it that each may use (1: all of it).
CREATE TABLE carrier_share (
    carrier_id  smallint NOT NULL,
    node_id     int NOT NULL,
    part        double precision NOT NULL,
    PRIMARY KEY (carrier_id, node_id)
) WITH (fillfactor = 50);
