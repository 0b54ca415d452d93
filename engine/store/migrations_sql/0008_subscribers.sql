-- What subscribers say, and what they are answered.

-- Auto-responses, one of a kind; `list` ones have their list. Those of keywords stand with these.
CREATE TABLE response (
    application_id int NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('general', 'optout', 'optin', 'help', 'list')),
    list_id     int CHECK ((list_id IS NOT NULL) = (kind = 'list')),
    text        text NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX response_one ON response (application_id, kind, list_id) NULLS NOT DISTINCT;

-- Words that opt out: what an application has changed of the defaults, and what it has added.
CREATE TABLE optout_command (
    application_id int NOT NULL,
    word        text COLLATE "C" NOT NULL,            -- folded: as it is compared
    enabled     boolean NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (application_id, word)
);

-- A word that puts who sends it into a list. A deleted one keeps its row: it is never used again.
CREATE TABLE keyword (
    application_id int NOT NULL,
    word        text COLLATE "C" NOT NULL,            -- folded
    written     text NOT NULL,                        -- as the application advertises it
    list_id     int NOT NULL,
    response    text,
    active      boolean NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    PRIMARY KEY (application_id, word)
);
CREATE INDEX keyword_list ON keyword (list_id) WHERE deleted_at IS NULL;

-- What an MO was taken for, and the message that answered it.
ALTER TABLE inbox
    ADD COLUMN meaning text,                          -- null: came before there were meanings
    ADD COLUMN response_id bigint;

-- Auto-responses of the last days: how many a number had in an hour, and which of them may be sent
-- to one who is opted out (the confirmation of just that; what it wants of `list_id`).
CREATE TABLE auto_response (
    message_id  bigint NOT NULL PRIMARY KEY,
    application_id int NOT NULL,
    mobile      text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    list_id     int,
    at          timestamptz NOT NULL
);
CREATE INDEX auto_response_mobile ON auto_response (application_id, mobile, at);
CREATE INDEX auto_response_at ON auto_response (at);
