-- How many members a list has, without counting a million of them for each line of a listing.
--
-- The size of a list is the sum over its rows here. Whoever changes members only inserts the
-- difference, so that an MO that joins a list never waits for an import that is being merged into
-- it; housekeeping adds the rows up. It is done by triggers, because whoever forgot it would be
-- found out by nobody. An import's insert of a million rows pays about a second for it.
CREATE TABLE list_size (
    list_id     int NOT NULL,
    n           int NOT NULL
);
CREATE INDEX list_size_list ON list_size (list_id);

CREATE FUNCTION member_joined() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO list_size (list_id, n)
        SELECT list_id, count(*) FROM joined WHERE deleted_at IS NULL GROUP BY list_id;
    RETURN NULL;
END $$;
CREATE TRIGGER member_joined AFTER INSERT ON member
    REFERENCING NEW TABLE AS joined FOR EACH STATEMENT EXECUTE FUNCTION member_joined();

CREATE FUNCTION member_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO list_size (list_id, n)
        SELECT list_id, -count(*) FROM gone WHERE deleted_at IS NULL GROUP BY list_id;
    RETURN NULL;
END $$;
CREATE TRIGGER member_gone AFTER DELETE ON member
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION member_gone();

-- Deleted so that it can be restored, or restored. New params are most of the updates, and don't
-- get this far.
CREATE FUNCTION member_deleted_or_restored() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO list_size (list_id, n)
        VALUES (NEW.list_id, CASE WHEN NEW.deleted_at IS NULL THEN 1 ELSE -1 END);
    RETURN NULL;
END $$;
CREATE TRIGGER member_deleted_or_restored AFTER UPDATE ON member FOR EACH ROW
    WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL))
    EXECUTE FUNCTION member_deleted_or_restored();

-- Nobody writes members meanwhile: the triggers have locked the table.
INSERT INTO list_size (list_id, n)
    SELECT list_id, count(*) FROM member WHERE deleted_at IS NULL GROUP BY list_id;
