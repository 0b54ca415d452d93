-- The desk: people with roles, companies, the blacklist, templates, and what scrubbing has done.

-- An application belongs to a company; user-volume reports group by it.
ALTER TABLE application ADD COLUMN company text;

-- Of each role everything that the ones before it may, and more.
CREATE TYPE user_role AS ENUM ('viewer', 'operator', 'admin');

-- Plural, because `user` is a word of SQL. An application without any is open to everybody who can
-- log in to the database; once it has one, whoever asks must be one of them.
CREATE TABLE users (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL REFERENCES application,
    name        text NOT NULL,
    email       text,
    role        user_role NOT NULL,
    active      boolean NOT NULL DEFAULT true,        -- who has left keeps the name in the log
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (application_id, name)
);

-- A deleted list keeps its row, since campaigns, the inbox and reports go on naming it; its members
-- go, and its name is free. (Dropping the constraint drops its index, so the new one comes first.)
ALTER TABLE list ADD COLUMN deleted_at timestamptz;
CREATE UNIQUE INDEX list_name ON list (application_id, name) WHERE deleted_at IS NULL;
ALTER TABLE list DROP CONSTRAINT list_application_id_name_key;
CREATE INDEX list_deleted ON list (id) WHERE deleted_at IS NOT NULL;

-- Why a person wrote it down; what came by SMS has its reason in the inbox.
ALTER TABLE consent ADD COLUMN reason text;

-- Who is never sent to. Only `mo` rows are lifted by the person's own word (R-6.4). No foreign key:
-- inserting would wait for whoever holds the application's queue.
CREATE TYPE blacklist_origin AS ENUM ('mo', 'import', 'manual');
CREATE TABLE blacklist (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int,                               -- null: of every application
    mobile      text COLLATE "C" NOT NULL,
    origin      blacklist_origin NOT NULL,
    by          text NOT NULL,
    reason      text,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX blacklist_mobile ON blacklist (mobile, application_id) NULLS NOT DISTINCT;
CREATE INDEX blacklist_application ON blacklist (application_id, id);

CREATE TABLE template (
    application_id int NOT NULL REFERENCES application,
    name        text NOT NULL,
    text        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (application_id, name)
);

-- Reports of imports that are to be mailed to who ran them (R-1.6).
CREATE TABLE import_report (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id int NOT NULL,
    by          text NOT NULL,
    email       text NOT NULL,
    report      jsonb NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    mailed_at   timestamptz
);
CREATE INDEX import_report_due ON import_report (id) WHERE mailed_at IS NULL;

-- How far an application's texts and numbers are scrubbed: ids up to these have been looked at.
CREATE TABLE scrub (
    application_id int PRIMARY KEY,
    message_id  bigint NOT NULL DEFAULT 0,
    inbox_id    bigint NOT NULL DEFAULT 0
);
-- Messages that were still on their way when their time came: they are scrubbed when they have ended.
CREATE TABLE scrub_later (
    message_id  bigint PRIMARY KEY,
    application_id int NOT NULL
);

-- Changes that concern every application are searched beside one application's own.
CREATE INDEX log_installation ON log (id) WHERE application_id IS NULL;
