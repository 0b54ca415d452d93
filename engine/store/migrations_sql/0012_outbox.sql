-- What is to be told outside of SMPP: mails, and callbacks. A row is written in the transaction that
-- causes it, and is gone once it has been told.
--
-- Claims take no row locks and leave no dead versions: each place (the mail server, an endpoint) has
-- one worker at a time, which holds it by a lease and leaves its rows as they are until they are
-- done (deleted), failed (due later) or dead (moved). A worker that was killed has changed nothing.

CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('forward', 'report',     -- mails: an MO, an import
                                              'reply', 'receipt')),    -- callbacks
    application_id int NOT NULL,
    endpoint_id int,                                  -- of a callback
    recipient   text,                                 -- of a mail; its mails go in order
    about_id    bigint,                               -- the MO or the message: its texts stay there
    payload     jsonb NOT NULL DEFAULT '{}',          -- what no other row has
    after_id    bigint,                               -- not before this one is done or dead
    created_at  timestamptz NOT NULL DEFAULT now(),
    due_at      timestamptz NOT NULL DEFAULT now(),
    attempts    int NOT NULL DEFAULT 0,
    first_at    timestamptz,                          -- of the first attempt
    last_error  text,
    CHECK ((kind IN ('forward', 'report')) = (recipient IS NOT NULL)),
    CHECK ((kind IN ('reply', 'receipt')) = (endpoint_id IS NOT NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX outbox_due ON outbox (endpoint_id, due_at, id);   -- endpoint null: mails
CREATE INDEX outbox_recipient ON outbox (recipient, id) WHERE recipient IS NOT NULL;

-- What could not be told, and why; it is kept for a while, so that it can be sent after all.
CREATE TABLE outbox_dead (
    id          bigint NOT NULL PRIMARY KEY,
    kind        text NOT NULL,
    application_id int NOT NULL,
    endpoint_id int,
    recipient   text,
    about_id    bigint,
    payload     jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    attempts    int NOT NULL,
    first_at    timestamptz,
    died_at     timestamptz NOT NULL,
    reason      text NOT NULL
);
CREATE INDEX outbox_dead_application ON outbox_dead (application_id, id);
CREATE INDEX outbox_dead_at ON outbox_dead (died_at);

-- Who tells a place, and until when nobody else does. 'mail' is the mail server.
CREATE TABLE outbox_worker (
    place       text NOT NULL PRIMARY KEY,
    node_id     int NOT NULL,
    until       timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Reports of imports go this road. Their old table stays for engines of the previous version.
INSERT INTO outbox (kind, application_id, recipient, payload, created_at, due_at)
    SELECT 'report', application_id, email, jsonb_build_object('by', by, 'report', report), at, now()
      FROM import_report WHERE mailed_at IS NULL ORDER BY id;
DELETE FROM import_report;
