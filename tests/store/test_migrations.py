"""R-9.4: a migration only adds, so that engines of the previous version go on on the schema of this one.

While they do, they read and write with the statements that they have: a column that is gone or
renamed, a constraint that refuses what they write, or an index whose making locks a large table stops
them. What is taken away, is taken away a version later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from engine.store.migrations import Migration, read_files

FIRST: Final = 14
"""Those before it were made while no version was in anybody's hands."""

ALLOWED: Final = {
    (14, "ALTER TABLE outbox ADD COLUMN"): (
        "a constraint on rows of the kind 'receipt', which no engine before it has written"
    ),
    (14, "CREATE INDEX outbox_tried"): "a small table: what waits to be told",
    (17, "UPDATE node SET over_epoch"): "a row a node, in a column that older engines don't know",
}
"""(version, how a statement begins): why it harms no engine of the version before, although it isn't
one of `ADDS`. Say so here when you are sure, and have tests/promises/test_upgrade.py agree."""

NAME: Final = r'"?\w+"?'

COLUMN: Final = (
    rf"ADD COLUMN (?:IF NOT EXISTS )?{NAME} (?!.*\b(?:UNIQUE|PRIMARY KEY|REFERENCES|CHECK)\b)"
)

ADDS: Final = (
    r"CREATE TABLE ",
    r"CREATE SEQUENCE ",
    r"CREATE TYPE ",
    r"CREATE VIEW ",
    r"CREATE FUNCTION ",  # OR REPLACE changes what engines call
    r"CREATE STATISTICS ",
    r"COMMENT ON ",
    r"INSERT INTO ",
)


def statements(text: str) -> Iterator[str]:
    """Each in one line, without comments; what is quoted is ''."""
    text = re.sub(r"--[^\n]*", "", text)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\$(\w*)\$.*?\$\1\$", "''", text, flags=re.DOTALL)
    text = re.sub(r"'(?:[^']|'')*'", "''", text)
    for statement in text.split(";"):
        if line := " ".join(statement.split()):
            yield line


def clauses(actions: str) -> Iterator[str]:
    """What an ALTER TABLE does, one after the other: cut at the commas outside of brackets."""
    depth, begin = 0, 0
    for at, character in enumerate(actions):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield actions[begin:at].strip()
            begin = at + 1
    yield actions[begin:].strip()


def adds(statement: str, new: set[str]) -> bool:
    """Whether it only adds; `new` are the tables that the same file has made before."""
    if any(re.match(start, statement) for start in ADDS):
        return True
    if index := re.match(rf"CREATE (?:UNIQUE )?INDEX (?:{NAME} )?ON (?:ONLY )?({NAME})", statement):
        return index[1] in new
    if altered := re.match(rf"ALTER TABLE (?:ONLY )?({NAME}) (.*)", statement):
        return altered[1] in new or all(
            re.match(COLUMN, clause)
            # A row that an engine of the previous version writes has to be possible.
            and ("NOT NULL" not in clause or "DEFAULT" in clause or "GENERATED" in clause)
            for clause in clauses(altered[2])
        )
    return False


def offending(migration: Migration) -> list[str]:
    """Its statements that do more than add, and that nobody has allowed."""
    new: set[str] = set()
    found = []
    for statement in statements(migration.sql.decode()):
        if table := re.match(rf"CREATE TABLE (?:IF NOT EXISTS )?({NAME})", statement):
            new.add(table[1])
        allowed = any(
            version == migration.version and statement.startswith(start)
            for version, start in ALLOWED
        )
        if not allowed and not adds(statement, new):
            found.append(statement)
    return found


@pytest.mark.parametrize(
    "migration", read_files()[FIRST - 1 :], ids=lambda migration: str(migration.name)
)
def test_a_migration_only_adds(migration: Migration) -> None:
    assert offending(migration) == [], "see ALLOWED, and the README's chapter Upgrade"


def test_what_is_allowed_is_there() -> None:
    """No entry of the list outlives its statement."""
    text = {one.version: list(statements(one.sql.decode())) for one in read_files()}
    for version, start in ALLOWED:
        assert any(line.startswith(start) for line in text[version]), start


@pytest.mark.parametrize(
    ("script", "stops"),
    [
        ("CREATE TABLE a (b int); CREATE UNIQUE INDEX ON a (b); ALTER TABLE a ADD CHECK (b > 0)", False),
        ("ALTER TABLE message ADD COLUMN a int, ADD COLUMN b numeric(4, 2) NOT NULL DEFAULT 0", False),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ DROP TABLE x; SELECT 1 $$", False),
        ("-- DROP TABLE a\nINSERT INTO word VALUES ('DROP; TABLE')", False),
        ("ALTER TABLE message ADD COLUMN a int NOT NULL", True),
        ("ALTER TABLE message ADD COLUMN a int UNIQUE", True),
        ("ALTER TABLE message ADD COLUMN a int, DROP COLUMN b", True),
        ("ALTER TABLE message ADD CONSTRAINT c CHECK (a > 0)", True),
        ("ALTER TABLE message RENAME COLUMN a TO b", True),
        ("CREATE INDEX slow ON message (state)", True),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'", True),
        ("ALTER TYPE message_state ADD VALUE 'lost'", True),
        ("DROP TABLE message", True),
        ("UPDATE message SET state = 'sent'", True),
        ("DO $$ BEGIN DELETE FROM message; END $$", True),
    ],
)  # fmt: skip
def test_what_would_stop_an_engine_is_seen(script: str, stops: bool) -> None:
    one = Migration(version=99, name="0099_trial", sql=script.encode())
    assert bool(offending(one)) is stops
