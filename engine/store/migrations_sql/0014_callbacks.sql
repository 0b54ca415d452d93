-- Callbacks: where an application wants to be told of replies and of what became of its messages.

-- An endpoint that is taken off keeps its row until what is due to it has been deleted: a transaction
-- that began before may still write to it.
CREATE TABLE endpoint (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL REFERENCES application,
    kind        text NOT NULL CHECK (kind IN ('reply', 'receipt')),
    url         text NOT NULL,
    headers     jsonb NOT NULL DEFAULT '{}',          -- name → value
    events      text NOT NULL DEFAULT 'final' CHECK (events IN ('final', 'all')),
    oauth_url   text,                                 -- of the authorization server's tokens
    oauth_client_id text,
    oauth_secret text,
    oauth_scope text,
    hmac_secret text,                                 -- signs bodies
    ca_pem      text,                                 -- trusted instead of the public ones
    set_at      timestamptz NOT NULL DEFAULT now(),   -- whoever holds a token or a session makes it anew
    suspended_at timestamptz,                         -- nothing is posted; what is due stays due
    suspended_why text,
    off_at      timestamptz,
    CHECK ((suspended_at IS NULL) = (suspended_why IS NULL)),
    CHECK (num_nulls(oauth_url, oauth_client_id, oauth_secret) IN (0, 3)),
    CHECK (oauth_scope IS NULL OR oauth_url IS NOT NULL)
);
CREATE UNIQUE INDEX endpoint_one ON endpoint (application_id, kind) WHERE off_at IS NULL;
-- Each turn asks for the first entry: 'all' before 'final', or none at all.
CREATE INDEX endpoint_receipts ON endpoint (events) WHERE kind = 'receipt' AND off_at IS NULL;

-- What a receipt callback says stands in its row: a body must be the same whenever it is posted again
-- under its Idempotency-Key, and the message's number may be scrubbed before an endpoint is back. A
-- reply's text stays in the inbox, which never changes and is kept for a week at least.
ALTER TABLE outbox
    ADD COLUMN campaign_id bigint,
    ADD COLUMN mobile    text COLLATE "C",
    ADD COLUMN status    text,
    ADD COLUMN status_at timestamptz,
    ADD COLUMN sent_at   timestamptz,
    ADD CONSTRAINT outbox_receipt CHECK (
        (kind = 'receipt') = (status IS NOT NULL)
        AND (kind <> 'receipt' OR status_at IS NOT NULL AND mobile IS NOT NULL));
ALTER TABLE outbox_dead
    ADD COLUMN campaign_id bigint,
    ADD COLUMN mobile    text COLLATE "C",
    ADD COLUMN status    text,
    ADD COLUMN status_at timestamptz,
    ADD COLUMN sent_at   timestamptz;

-- The events of one message are in the order of their ids, and due in it (`due_at` is the moment of
-- the insert, which waits for the message's row). So an event has to wait only for older ones of its
-- message that were tried and not told: few, and an insert pays nothing for this index.
CREATE INDEX outbox_tried ON outbox (endpoint_id, about_id, id)
    WHERE attempts > 0 AND endpoint_id IS NOT NULL;

-- A message that ended and was opened again by a late receipt for one of its segments: a final status
-- was told, and no other one may be.
ALTER TABLE message ADD COLUMN final_told boolean;
