-- Flash messages, and texts that are brought into GSM's characters when they are merged.
ALTER TABLE campaign
    ADD COLUMN flash boolean NOT NULL DEFAULT false,
    ADD COLUMN transliterate boolean NOT NULL DEFAULT false;

-- Null: as its campaign says. A single message's text was transliterated when it was accepted.
ALTER TABLE message ADD COLUMN flash boolean;
