-- Credentials of the HTTP API, and what makes a repeated request harmless.

-- scrypt with its numbers and its salt; null: the user has no password.
ALTER TABLE users ADD COLUMN password text;

-- A token says who somebody is. It is random, so that its SHA-256 can't be turned back.
CREATE TABLE token (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     int NOT NULL REFERENCES users,
    digest      bytea NOT NULL UNIQUE,
    hint        text NOT NULL,                        -- its first characters, to know it again
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  text NOT NULL,
    expires_at  timestamptz,
    revoked_at  timestamptz
);
CREATE INDEX token_user ON token (user_id);

-- Requests that were done under a key: the same request gets the same answer again. Purged after a
-- day. Who has one under way holds an advisory lock on it, not a row.
CREATE TABLE idempotency_key (
    application_id int NOT NULL,
    key         text COLLATE "C" NOT NULL,
    digest      bytea NOT NULL,                       -- SHA-256 of the request
    answer      text NOT NULL,                        -- JSON
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (application_id, key)
);
CREATE INDEX idempotency_key_at ON idempotency_key (at);

-- What a single message may be told: when it is of no use any more. Null: as its campaign says.
ALTER TABLE message ADD COLUMN not_after timestamptz;
