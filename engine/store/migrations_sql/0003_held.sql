-- What a person decides about: messages whose outcome nobody knows; and which sessions can send.

-- Uncertain messages that are kept for a person (R-8.2): the setting `uncertain` is `hold`, and
-- their 30 s have passed. They have left `due`. A late answer settles one without looking here, so a
-- row counts only while its message is uncertain; the others go once an hour.
CREATE TABLE held (
    message_id  bigint NOT NULL PRIMARY KEY,
    application_id int NOT NULL,
    campaign_id bigint,
    at          timestamptz NOT NULL
);
CREATE INDEX held_application ON held (application_id, message_id);

-- A receiver takes nothing from us: with none but these up, nothing can leave.
ALTER TABLE session ADD COLUMN sends boolean NOT NULL DEFAULT true;
