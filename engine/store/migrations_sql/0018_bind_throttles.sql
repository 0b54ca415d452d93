-- How often a bind was told that we are too fast, since its engine has started.
ALTER TABLE bind ADD COLUMN throttles bigint NOT NULL DEFAULT 0;
