"""MO that come in: each taken once, long ones put together, tied to what they answer (R-5.9, R-5.10).

A batch is a handful of statements, whatever its size: locks in sorted order, what was seen, what
waits, what the new ones answer; and when it is decided what they mean, their rows (`write`), each
written once. The rules of parts are `engine.domain.parts`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from engine.domain import parts
from engine.domain.parts import Fit, Group, Part, Piece
from engine.store import callbacks
from engine.store.arrays import ints, literal, octets
from engine.store.db import Tx

# An MO that comes again within this time may be a redelivery.
REDELIVERY_MINUTES = 15

# A part that comes again, answered and on a session that stands, begins a message of its own. When
# the time of that is over, and a whole message of the last hour has its text, it was a duplicate.
REPEATED = timedelta(hours=1)


class Mo(NamedTuple):
    """One MO as it came. `digest` is of what makes two of them the same (R-5.10)."""

    carrier_id: int
    session_id: int
    mobile: str
    destination: str
    piece: Piece
    digest: bytes
    part: Part | None = None


class Seen(NamedTuple):
    """What to name when our answer to an MO has been written."""

    carrier_id: int
    digest: bytes
    id: int


class Meant(NamedTuple):
    """What an MO was taken for (`domain.inbound.Meaning`), and the message that answers it."""

    meaning: str | None = None
    response_id: int | None = None


class Row(NamedTuple):
    """What came, put together."""

    carrier_id: int
    mobile: str
    destination: str
    content: str
    data_coding: int
    parts: int = 1
    parts_of: int = 1


class Placed(NamedTuple):
    """A new MO with its number, and what is known of what it answers (R-6.2)."""

    id: int
    row: Row
    application_id: int | None
    message_id: int | None
    campaign_id: int | None
    ended_at: datetime | None
    """When the campaign was completed."""
    list_id: int | None
    list: str | None
    forward_to: str | None
    """The list's address for replies."""
    params: str | None
    """As PostgreSQL writes an array."""
    dedicated: bool
    """Whether it came to a number that the application has for itself."""
    ours: bool
    """Whether a sender of ours has written it."""


@dataclass(slots=True)
class Taken:
    """What became of a batch."""

    seen: list[Seen] = field(default_factory=list)
    new: list[Placed] = field(default_factory=list)
    """What is to be written to the inbox."""
    redelivered: int = 0
    waiting: int = 0
    """Parts that wait for others."""
    duplicates: int = 0
    """Parts that were there already."""


def mark_answered(tx: Tx, seen: Sequence[Seen]) -> None:
    """Notes that our answer to these MO has been written: the same again is a new one."""
    if seen:
        tx.execute(
            # mo_seen_pkey
            """
            UPDATE mo_seen SET answered = true
             WHERE carrier_id = ANY (%s::smallint[]) AND digest = ANY (%s::bytea[])
               AND id = ANY (%s::bigint[])
            """,
            (
                ints({one.carrier_id for one in seen}),
                octets(one.digest for one in seen),
                ints(one.id for one in seen),
            ),
        )


def take(tx: Tx, batch: Sequence[Mo], now: datetime) -> Taken:
    """Takes each MO of a batch but redeliveries; a long one as soon as all of it is there.

    A redelivery came within 15 minutes on a session that has fallen since, or before our answer to
    the first was written (R-5.10). Anything else is a second message, however alike.
    """
    taken = Taken()
    # The same MO may be read by two nodes at once, and parts of a message by two binds: the locks
    # make one wait for the other's commit.
    _lock(tx, batch)
    known = _known(tx, batch, now)
    fresh: list[Mo] = []
    for mo in batch:
        key = (mo.carrier_id, mo.digest)
        if key in known:
            taken.redelivered += 1
        else:
            known.add(key)  # twice in a batch: the second came before our answer to the first
            fresh.append(mo)
    rows: dict[int, Row] = {}
    split: dict[int, Mo] = {}
    for at, mo in enumerate(fresh):
        if mo.part is None or not mo.part.possible:
            rows[at] = _alone(mo)
        else:
            split[at] = mo
    if split:
        rows |= _join(tx, split, now, taken)
    if fresh:
        taken.seen = _see(tx, fresh, now)
    if rows:  # a long one has its place where it became whole
        taken.new = place(tx, [rows[at] for at in sorted(rows)], now)
    return taken


def write(tx: Tx, new: Sequence[Placed], meant: Mapping[int, Meant], now: datetime) -> None:
    """Writes what is new to the inbox; `meant` says of each number what it was taken for."""
    if not new:
        return
    meanings = [meant[one.id] for one in new]
    tx.execute(
        # inbox_YYYYMMDD_pkey
        f"""
        WITH written AS (
            INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at,
                               content, data_coding, parts, parts_of, message_id, campaign_id,
                               list_id, params, meaning, response_id)
            SELECT r.id, r.application_id, r.carrier_id, r.mobile, r.destination, %s, r.content,
                   r.data_coding, r.parts, r.parts_of, r.message_id, r.campaign_id, r.list_id,
                   r.params::text[], r.meaning, r.response_id
              FROM unnest(%s::bigint[], %s::int[], %s::smallint[], %s::text[], %s::text[],
                          %s::text[], %s::smallint[], %s::smallint[], %s::smallint[],
                          %s::bigint[], %s::bigint[], %s::int[], %s::text[], %s::text[],
                          %s::bigint[])
                   AS r (id, application_id, carrier_id, mobile, destination, content, data_coding,
                         parts, parts_of, message_id, campaign_id, list_id, params, meaning,
                         response_id)
            RETURNING id, application_id, received_at)
        {callbacks.REPLIES}
        """,
        (
            now,
            ints(one.id for one in new),
            ints(one.application_id for one in new),
            ints(one.row.carrier_id for one in new),
            literal(one.row.mobile for one in new),
            literal(one.row.destination for one in new),
            literal(one.row.content for one in new),
            ints(one.row.data_coding for one in new),
            ints(one.row.parts for one in new),
            ints(one.row.parts_of for one in new),
            ints(one.message_id for one in new),
            ints(one.campaign_id for one in new),
            ints(one.list_id for one in new),
            literal(one.params for one in new),
            literal(one.meaning for one in meanings),
            ints(one.response_id for one in meanings),
        ),
    )


def overdue(tx: Tx, now: datetime, limit: int = 200) -> list[Placed]:
    """Long MO whose other parts don't come any more, as far as they came."""
    before = now - timedelta(seconds=parts.TIMEOUT_S)
    keys = tx.execute(
        # mo_part_at
        """
        SELECT DISTINCT carrier_id, mobile, destination, reference FROM mo_part WHERE at <= %s
         ORDER BY 1, 2, 3, 4 LIMIT %s
        """,
        (before, limit),
    ).fetchall()
    if not keys:
        return []
    _lock_keys(tx, {_number(*key) for key in keys})
    late = [one for one in _open(tx, keys) if one.newest <= before]
    rows: list[Row] = []
    for one in late:
        row = one.row()
        if not _is_repeated(tx, row, one, now):
            rows.append(row)
    _forget(tx, [one.id for one in late])
    return place(tx, rows, now) if rows else []


# ---------------------------------------------------------------- once


def _lock(tx: Tx, batch: Iterable[Mo]) -> None:
    keys = {_number(mo.carrier_id, mo.digest) for mo in batch}
    keys |= {
        _number(mo.carrier_id, mo.mobile, mo.destination, mo.part.reference)
        for mo in batch
        if mo.part is not None
    }
    _lock_keys(tx, keys)


def _lock_keys(tx: Tx, keys: Iterable[int]) -> None:
    tx.execute(
        "SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) AS k", (ints(sorted(keys)),)
    )


def _number(*words: object) -> int:
    """A lock's number."""
    octets = hashlib.blake2b(repr(words).encode(), digest_size=8).digest()
    return int.from_bytes(octets, "big", signed=True)


def _known(tx: Tx, batch: Sequence[Mo], now: datetime) -> set[tuple[int, bytes]]:
    """Which of these have come before, so that they are redeliveries."""
    rows = tx.execute(
        # mo_seen_pkey, session_pkey
        """
        SELECT m.carrier_id, m.digest
          FROM mo_seen m
          LEFT JOIN session s ON s.id = m.session_id
         WHERE m.carrier_id = ANY (%s::smallint[]) AND m.digest = ANY (%s::bytea[])
           AND m.at > %s - make_interval(mins => %s)
           AND (NOT m.answered OR s.closed_at IS NOT NULL OR s.id IS NULL)
        """,
        (
            ints({mo.carrier_id for mo in batch}),
            octets(mo.digest for mo in batch),
            now,
            REDELIVERY_MINUTES,
        ),
    )
    return {(carrier_id, bytes(digest)) for carrier_id, digest in rows}


def _see(tx: Tx, fresh: Sequence[Mo], now: datetime) -> list[Seen]:
    rows = tx.execute(
        """
        INSERT INTO mo_seen (carrier_id, digest, session_id, at)
        SELECT c, d, s, %s
          FROM unnest(%s::smallint[], %s::bytea[], %s::bigint[]) AS r (c, d, s)
        RETURNING carrier_id, digest, id
        """,
        (
            now,
            ints(mo.carrier_id for mo in fresh),
            octets(mo.digest for mo in fresh),
            ints(mo.session_id for mo in fresh),
        ),
    )
    return [Seen(carrier_id, bytes(digest), number) for carrier_id, digest, number in rows]


# ---------------------------------------------------------------- in parts

_Key = tuple[int, str, str, int]
"""carrier, mobile, destination, reference"""


@dataclass(slots=True)
class _Message:
    """A long MO of which parts are there; `new` are those that have no row yet."""

    id: int
    key: _Key
    total: int
    newest: datetime
    pieces: dict[int, Piece] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)

    @property
    def group(self) -> Group:
        octets = {number: piece.octets for number, piece in self.pieces.items()}
        return Group(self.id, self.total, octets)

    def row(self) -> Row:
        """What of it there is, as a row of the inbox."""
        carrier_id, mobile, destination, _ = self.key
        first = self.pieces[min(self.pieces)]
        return Row(
            carrier_id,
            mobile,
            destination,
            parts.text(self.pieces, self.total),
            first.data_coding,
            len(self.pieces),
            self.total,
        )


def _alone(mo: Mo) -> Row:
    """An MO that is whole; one that says it is a part that there can't be stands alone, marked."""
    total = 1 if mo.part is None else max(mo.part.total, 1)
    content = parts.text({1: mo.piece}, 1)
    return Row(mo.carrier_id, mo.mobile, mo.destination, content, mo.piece.data_coding, 1, total)


def _join(tx: Tx, split: Mapping[int, Mo], now: datetime, taken: Taken) -> dict[int, Row]:
    """Puts parts to those that wait; answers the messages that are whole now, by their last part."""
    messages: defaultdict[_Key, list[_Message]] = defaultdict(list)
    keys = {_key(mo) for mo in split.values()}
    for one in _open(tx, sorted(keys)):
        messages[one.key].append(one)
    # Newest first; what is new in this batch is -1, -2, … until it turns out that it has to wait.
    made = 0
    whole: dict[int, _Message] = {}
    for at, mo in split.items():
        assert mo.part is not None
        open_ = messages[_key(mo)]
        where = parts.place([one.group for one in open_], mo.part, mo.piece.octets)
        if where is Fit.DUPLICATE:
            taken.duplicates += 1
            continue
        if isinstance(where, Fit):
            made += 1
            message = _Message(-made, _key(mo), mo.part.total, now)
            open_.insert(0, message)
        else:
            message = next(one for one in open_ if one.id == where)
        message.pieces[mo.part.number] = mo.piece
        message.new.add(mo.part.number)
        message.newest = now
        if len(message.pieces) == message.total:
            whole[at] = message
            open_.remove(message)
    waiting = [one for ones in messages.values() for one in ones if one.new]
    _forget(tx, [one.id for one in whole.values() if one.id > 0])
    _wait(tx, waiting, now)
    taken.waiting += sum(len(one.new) for one in waiting)
    return {at: one.row() for at, one in whole.items()}


def _key(mo: Mo) -> _Key:
    assert mo.part is not None
    return mo.carrier_id, mo.mobile, mo.destination, mo.part.reference


def _open(tx: Tx, keys: Sequence[Sequence[Any]]) -> list[_Message]:
    """The messages with these keys that wait for parts, newest first."""
    rows = tx.execute(
        # mo_part_key
        """
        SELECT p.group_id, p.part, p.total, p.carrier_id, p.mobile, p.destination, p.reference,
               p.octets, p.data_coding, p.alphabet, p.shift, p.at
          FROM mo_part p
         WHERE p.mobile = ANY (%s::text[]) AND p.destination = ANY (%s::text[])
           AND p.reference = ANY (%s::int[])
         ORDER BY p.group_id DESC, p.part
        """,
        (
            sorted({key[1] for key in keys}),
            sorted({key[2] for key in keys}),
            ints(sorted({key[3] for key in keys})),
        ),
    )
    wanted = {tuple(key) for key in keys}
    messages: dict[int, _Message] = {}
    for group_id, part, total, carrier_id, mobile, destination, reference, *rest in rows:
        key = (carrier_id, mobile, destination, reference)
        if key not in wanted:
            continue
        octets, data_coding, default, shift, at = rest
        message = messages.setdefault(group_id, _Message(group_id, key, total, at))
        message.pieces[part] = Piece(bytes(octets), data_coding, default, bytes(shift))
        message.newest = max(message.newest, at)
    return list(messages.values())


def _wait(tx: Tx, messages: Sequence[_Message], now: datetime) -> None:
    """Keeps the new parts of messages that are not whole."""
    if not messages:
        return
    fresh = sorted((one for one in messages if one.id < 0), key=lambda one: -one.id)
    numbers = tx.execute(
        "SELECT nextval('mo_group') FROM generate_series(1, %s)", (len(fresh),)
    ).fetchall()
    for one, (number,) in zip(fresh, numbers, strict=True):
        one.id = number
    rows = [
        (one.id, number, one.total, *one.key, *one.pieces[number])
        for one in messages
        for number in sorted(one.new)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    tx.execute(
        """
        INSERT INTO mo_part (group_id, part, total, carrier_id, mobile, destination, reference,
                             octets, data_coding, alphabet, shift, at)
        SELECT r.*, %s
          FROM unnest(%s::bigint[], %s::smallint[], %s::smallint[], %s::smallint[], %s::text[],
                      %s::text[], %s::int[], %s::bytea[], %s::smallint[], %s::text[],
                      %s::bytea[]) AS r
        """,
        (now, *columns),
    )


def _forget(tx: Tx, ids: Sequence[int]) -> None:
    if ids:
        tx.execute("DELETE FROM mo_part WHERE group_id = ANY (%s::bigint[])", (ints(ids),))


def _is_repeated(tx: Tx, row: Row, message: _Message, now: datetime) -> bool:
    """Whether all of its parts are in a whole message that came shortly before."""
    found = tx.execute(
        # inbox_YYYYMMDD_mobile_id_idx, the days before yesterday pruned
        """
        SELECT content FROM inbox
         WHERE mobile = %s AND destination = %s AND parts = %s AND parts_of = %s
           AND received_at > %s AND id >= first_id(day_of(%s) - 1)
        """,
        (row.mobile, row.destination, row.parts_of, row.parts_of, message.newest - REPEATED, now),
    ).fetchall()
    texts = [parts.text({1: piece}, 1) for piece in message.pieces.values()]
    return any(all(text in content for text in texts) for (content,) in found)


# ---------------------------------------------------------------- rows


def place(tx: Tx, rows: Sequence[Row], now: datetime) -> list[Placed]:
    """Each with a number, tied to the latest message of a campaign that it can answer.

    To one of no campaign only when there is none of any: an auto-response does not come between a
    campaign and its answers (R-6.2). A sender may be shared: the message decides the application.
    """
    found = tx.execute(
        # message_YYYYMMDD_mobile_id_idx, newest partition first, those of days to come pruned;
        # campaign_pkey, list_pkey; sender_one_owner. There are some dozens of senders: whether the
        # mobile is one of them is looked up in all of them at once.
        """
        SELECT next_id(), coalesce(a.application_id, b.application_id, s.application_id),
               coalesce(a.id, b.id), a.campaign_id, c.ended_at, c.list_id, l.name,
               l.email, a.params::text,
               coalesce(s.application_id = coalesce(a.application_id, b.application_id,
                                                    s.application_id), false),
               ltrim(r.mobile, '+') IN (SELECT ltrim(address, '+') FROM sender)
          FROM unnest(%(mobiles)s::text[], %(destinations)s::text[])
               WITH ORDINALITY AS r (mobile, destination, n)
          LEFT JOIN sender s ON s.address = r.destination AND s.dedicated
          LEFT JOIN LATERAL (
                SELECT m.id, m.application_id, m.campaign_id, m.params
                  FROM message m
                 WHERE m.mobile = r.mobile AND m.sender = r.destination AND m.attempt > 0
                   AND m.campaign_id IS NOT NULL AND m.id < first_id(day_of(%(now)s) + 1)
                 ORDER BY m.id DESC
                 LIMIT 1) a ON true
          LEFT JOIN LATERAL (
                SELECT m.id, m.application_id
                  FROM message m
                 WHERE a.id IS NULL
                   AND m.mobile = r.mobile AND m.sender = r.destination AND m.attempt > 0
                   AND m.id < first_id(day_of(%(now)s) + 1)
                 ORDER BY m.id DESC
                 LIMIT 1) b ON true
          LEFT JOIN campaign c ON c.id = a.campaign_id
          LEFT JOIN list l ON l.id = c.list_id
         ORDER BY r.n
        """,
        {
            "mobiles": literal(row.mobile for row in rows),
            "destinations": literal(row.destination for row in rows),
            "now": now,
        },
    ).fetchall()
    numbers = sorted(one[0] for one in found)  # in the order in which they came
    return [
        Placed(number, row, *known)
        for number, row, (_, *known) in zip(numbers, rows, found, strict=True)
    ]
