"""Endpoints, and the events that are due to them (R-7.2, R-7.4).

An event is a row of `outbox`, written by the statement that makes it true. `TOLD` and `BORN` are
parts of such statements; where no application has an endpoint (`receipts_wanted`), the turns leave
them out, and a turn costs what it cost without them.

A receipt's row says all that is posted, and a reply's names the MO: its text is nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from engine.domain.callback import STATUS, Events, Kind
from engine.domain.message import FINAL, MessageState
from engine.domain.receipts import SOFT
from engine.store.arrays import ints
from engine.store.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one application is told of one kind; `suspended_why`: nothing is posted until it is set
    or tested."""

    id: int
    application_id: int
    application: str
    kind: Kind
    url: str
    headers: Mapping[str, str] = field(repr=False)
    events: Events
    oauth_url: str | None
    oauth_client_id: str | None
    oauth_secret: str | None = field(repr=False)
    oauth_scope: str | None
    hmac_secret: str | None = field(repr=False)
    ca_pem: str | None = field(repr=False)
    set_at: datetime
    suspended_at: datetime | None
    suspended_why: str | None

    def __post_init__(self) -> None:
        # psycopg gives words; everything above speaks of kinds and events.
        object.__setattr__(self, "kind", Kind(self.kind))
        object.__setattr__(self, "events", Events(self.events))


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What is due to an endpoint, since when the oldest, how many were tried in vain, and died."""

    waiting: int
    oldest_at: datetime | None
    tried: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """An event that could not be told; `about_id` is the message or the MO."""

    id: int
    kind: Kind
    about_id: int
    status: str | None
    created_at: datetime
    attempts: int
    died_at: datetime
    reason: str


# ---------------------------------------------------------------- events


def _words(states: frozenset[MessageState]) -> str:
    """`'a', 'b'`, for IN."""
    return ", ".join(f"'{state.value}'" for state in MessageState if state in states)


_OPEN = _words(frozenset(MessageState) - FINAL)
_SUBMITTED = _words(frozenset(state for state in STATUS if STATUS[state] == "submitted"))
_FINAL = _words(FINAL)
_STATUS = (
    "CASE m.became "
    + " ".join(f"WHEN '{state.value}' THEN '{status.value}'" for state, status in STATUS.items())
    + " END"
)


def _insert(condition: str) -> str:
    # endpoint_one: it has a row or two an application. The moment of the insert, not of the turn,
    # orders the events of a message: the row was locked before it.
    return f"""
        INSERT INTO outbox (kind, application_id, endpoint_id, about_id, campaign_id, mobile,
                            status, status_at, sent_at, created_at, due_at)
        SELECT 'receipt', m.application_id, e.id, m.id, m.campaign_id, m.mobile,
               {_STATUS}, m.state_at, m.sent_at, m.state_at, clock_timestamp()
          FROM moved m
          JOIN endpoint e ON e.application_id = m.application_id AND e.kind = 'receipt'
                             AND e.off_at IS NULL
         WHERE (m.became IN ({_FINAL}) OR e.events = 'all') AND {condition}
         ORDER BY m.id
    """


RETURNING: Final = f"""id, campaign_id, application_id, mobile, state_at, sent_at, final_told,
    old.state AS was, new.state AS became, coalesce(old.reason = '{SOFT}', false) AS soft"""
"""What an UPDATE of `message` called `moved` returns for `TOLD`."""

# `domain.callback.event` as SQL: a test asks both about all pairs of states.
_FOLLOWS = f"""(m.became NOT IN ({_SUBMITTED}) AND m.was IN ({_OPEN}) AND m.final_told IS NULL
                AND (m.was <> 'sent' OR m.became <> 'sent')
                OR m.became IN ({_FINAL}) AND m.became <> 'failed' AND m.was = 'failed' AND m.soft
                   AND m.final_told IS NULL)"""


TOLD: Final = _insert(_FOLLOWS)
"""The end of a statement that changed messages (`moved`, with RETURNING): what is told of it."""

RETURNING_BORN: Final = (
    "id, campaign_id, application_id, mobile, state_at, sent_at, state AS became"
)
"""What an INSERT into `message` called `moved` returns for `BORN`."""

BORN: Final = _insert("true")
"""The end of a statement that made messages (`moved`, with RETURNING_BORN): what is told of it."""

WANTED: Final = """
    (SELECT events FROM endpoint WHERE kind = 'receipt' AND off_at IS NULL ORDER BY events LIMIT 1)
"""
"""The most that any application wants to be told of its messages: all, final, or nothing (NULL).
Carried by endpoint_receipts."""

REPLIES: Final = """
    INSERT INTO outbox (kind, application_id, endpoint_id, about_id, created_at, due_at)
    SELECT 'reply', w.application_id, e.id, w.id, w.received_at, clock_timestamp()
      FROM written w
      JOIN endpoint e ON e.application_id = w.application_id AND e.kind = 'reply'
                         AND e.off_at IS NULL
     ORDER BY w.id
"""
"""The end of a statement that wrote MO (`written`): each is told to whoever owns the number."""


# ---------------------------------------------------------------- endpoints

_COLUMNS: Final = """
    e.id, e.application_id, a.name AS application, e.kind, e.url, e.headers, e.events, e.oauth_url,
    e.oauth_client_id, e.oauth_secret, e.oauth_scope, e.hmac_secret, e.ca_pem, e.set_at,
    e.suspended_at, e.suspended_why
"""


def endpoints(tx: Tx) -> list[Endpoint]:
    """All that are set, suspended ones too, by id: some a hundred at most."""
    with tx.cursor(row_factory=class_row(Endpoint)) as cursor:
        return cursor.execute(
            # endpoint is small; application_pkey
            f"""
            SELECT {_COLUMNS} FROM endpoint e JOIN application a ON a.id = e.application_id
             WHERE e.off_at IS NULL ORDER BY e.id
            """
        ).fetchall()


def of_application(tx: Tx, application_id: int) -> dict[Kind, Endpoint]:
    """What an application has set."""
    with tx.cursor(row_factory=class_row(Endpoint)) as cursor:
        cursor.execute(
            # endpoint_one
            f"""
            SELECT {_COLUMNS} FROM endpoint e JOIN application a ON a.id = e.application_id
             WHERE e.application_id = %s AND e.off_at IS NULL ORDER BY e.kind
            """,
            (application_id,),
        )
        return {one.kind: one for one in cursor.fetchall()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a person sets of an endpoint."""

    url: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    events: Events = Events.FINAL
    oauth_url: str | None = None
    oauth_client_id: str | None = None
    oauth_secret: str | None = field(repr=False, default=None)
    oauth_scope: str | None = None
    hmac_secret: str | None = field(repr=False, default=None)
    ca_pem: str | None = field(repr=False, default=None)


def put(tx: Tx, application_id: int, kind: Kind, to: Setting) -> None:
    """Set an endpoint. One that is there is changed: what is due to it goes to the new address, and
    it is not suspended any more."""
    tx.execute(
        # endpoint_one
        """
        INSERT INTO endpoint (application_id, kind, url, headers, events, oauth_url,
                              oauth_client_id, oauth_secret, oauth_scope, hmac_secret, ca_pem)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (application_id, kind) WHERE off_at IS NULL DO UPDATE
           SET url = excluded.url, headers = excluded.headers, events = excluded.events,
               oauth_url = excluded.oauth_url, oauth_client_id = excluded.oauth_client_id,
               oauth_secret = excluded.oauth_secret, oauth_scope = excluded.oauth_scope,
               hmac_secret = excluded.hmac_secret, ca_pem = excluded.ca_pem,
               set_at = clock_timestamp(), suspended_at = NULL, suspended_why = NULL
        """,
        (
            application_id,
            kind.value,
            to.url,
            Jsonb(dict(to.headers)),
            to.events.value,
            to.oauth_url,
            to.oauth_client_id,
            to.oauth_secret,
            to.oauth_scope,
            to.hmac_secret,
            to.ca_pem,
        ),
    )


def off(tx: Tx, endpoint_id: int) -> None:
    """Nothing is told any more; what is due is deleted bit by bit (`clear_off`)."""
    # endpoint_pkey
    tx.execute("UPDATE endpoint SET off_at = clock_timestamp() WHERE id = %s", (endpoint_id,))


def clear_off(tx: Tx, rows: int) -> bool:
    """Delete some of what is due to endpoints that were taken off; False: nothing was there.

    One that is empty goes after an hour: no transaction that still knows it is older.
    """
    endpoint_ids = [
        row[0]
        for row in tx.execute(
            # endpoint is small
            "SELECT id FROM endpoint WHERE off_at IS NOT NULL ORDER BY id FOR UPDATE SKIP LOCKED"
        )
    ]
    for endpoint_id in endpoint_ids:
        gone = tx.execute(
            # outbox_due, outbox_pkey
            """
            DELETE FROM outbox WHERE id = ANY (ARRAY(
                SELECT id FROM outbox WHERE endpoint_id = %s LIMIT %s))
            """,
            (endpoint_id, rows),
        )
        if gone.rowcount:
            return True
        # endpoint_pkey
        tx.execute(
            "DELETE FROM endpoint WHERE id = %s AND off_at < now() - interval '1 h'", (endpoint_id,)
        )
    return False


def forget(tx: Tx, application_id: int, before: datetime, rows: int) -> bool:
    """Delete some events of an application that are older than `before`, dead or due; False: none.

    They name numbers, which are kept no longer than that (R-9.3). What is due so long after it has
    happened is due to an endpoint that was suspended for weeks.
    """
    dead = tx.execute(
        # outbox_dead_application
        """
        DELETE FROM outbox_dead WHERE id = ANY (ARRAY(
            SELECT id FROM outbox_dead
             WHERE application_id = %s AND kind IN ('reply', 'receipt') AND created_at < %s
             ORDER BY id LIMIT %s))
        """,
        (application_id, before, rows),
    )
    due = tx.execute(
        # endpoint_one, outbox_due: looks no further than what is due for days
        """
        DELETE FROM outbox WHERE id = ANY (ARRAY(
            SELECT o.id FROM endpoint e JOIN outbox o ON o.endpoint_id = e.id
             WHERE e.application_id = %(application)s AND o.created_at < %(before)s
               AND o.due_at < %(before)s::timestamptz + interval '6 days'
             LIMIT %(rows)s))
        """,
        {"application": application_id, "before": before, "rows": rows},
    )
    return dead.rowcount + due.rowcount > 0


def suspend(tx: Tx, endpoint: Endpoint, why: str) -> bool:
    """Nothing is posted any more until a person has seen to it; what is due stays due.

    False when it is suspended already, or was set anew since it was read: that is to be tried.
    """
    return (
        tx.execute(
            # endpoint_pkey
            """
            UPDATE endpoint SET suspended_at = now(), suspended_why = %s
             WHERE id = %s AND set_at = %s AND suspended_at IS NULL AND off_at IS NULL
            """,
            (why, endpoint.id, endpoint.set_at),
        ).rowcount
        == 1
    )


def resume(tx: Tx, endpoint: Endpoint) -> bool:
    """An endpoint has answered a test as it should: what is due is posted. False: it was not
    suspended, or was set anew since it was read."""
    return (
        tx.execute(
            # endpoint_pkey
            """
            UPDATE endpoint SET suspended_at = NULL, suspended_why = NULL
             WHERE id = %s AND set_at = %s AND suspended_at IS NOT NULL
            """,
            (endpoint.id, endpoint.set_at),
        ).rowcount
        == 1
    )


def depth(tx: Tx, endpoint: Endpoint) -> Depth:
    """What is due to an endpoint, and what died of its kind."""
    row = tx.execute(
        # outbox_due, outbox_dead_application
        """
        SELECT count(*)::int, min(created_at), (count(*) FILTER (WHERE attempts > 0))::int,
               (SELECT count(*) FROM outbox_dead
                 WHERE application_id = %(application)s AND kind = %(kind)s)::int
          FROM outbox WHERE endpoint_id = %(id)s
        """,
        {
            "id": endpoint.id,
            "application": endpoint.application_id,
            "kind": endpoint.kind.value,
        },
    ).fetchone()
    assert row is not None
    return Depth(waiting=row[0], oldest_at=row[1], tried=row[2], dead=row[3])


# ---------------------------------------------------------------- what could not be told

_DEAD: Final = "id, kind, about_id, status, created_at, attempts, died_at, reason"


def dead(tx: Tx, application_id: int, kind: Kind | None, limit: int | None) -> list[Dead]:
    """The events of an application that could not be told, the newest first."""
    with tx.cursor(row_factory=class_row(Dead)) as cursor:
        cursor.execute(
            # outbox_dead_application
            f"""
            SELECT {_DEAD} FROM outbox_dead
             WHERE application_id = %(application)s AND kind IN ('reply', 'receipt')
               AND (%(kind)s::text IS NULL OR kind = %(kind)s)
             ORDER BY id DESC LIMIT %(limit)s
            """,
            {
                "application": application_id,
                "kind": None if kind is None else kind.value,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def left_dead(tx: Tx, application_id: int, ids: Sequence[int]) -> dict[int, Kind]:
    """Those of `ids` that are dead events of the application."""
    rows = tx.execute(
        # outbox_dead_pkey
        """
        SELECT id, kind FROM outbox_dead
         WHERE id = ANY (%s::bigint[]) AND application_id = %s AND kind IN ('reply', 'receipt')
        """,
        (ints(ids), application_id),
    )
    return {number: Kind(kind) for number, kind in rows}


def replay(tx: Tx, application_id: int, ids: Sequence[int] | None, rows: int) -> list[Dead]:
    """At most `rows` dead events are due again, as if never tried, to the endpoint of their kind
    that is set now; None: any. What was dead.

    Each keeps its number, which is its Idempotency-Key. One whose kind has no endpoint, or whose MO
    has been scrubbed, stays dead.
    """
    with tx.cursor(row_factory=class_row(Dead)) as cursor:
        cursor.execute(
            # outbox_dead_application, endpoint_one, inbox_YYYYMMDD_pkey
            f"""
            WITH chosen AS (
                SELECT d.id, e.id AS endpoint_id
                  FROM outbox_dead d
                  JOIN endpoint e ON e.application_id = d.application_id AND e.kind = d.kind
                                     AND e.off_at IS NULL
                 WHERE d.application_id = %(application)s AND d.kind IN ('reply', 'receipt')
                   AND (%(ids)s::bigint[] IS NULL OR d.id = ANY (%(ids)s::bigint[]))
                   AND (d.kind = 'receipt'
                        OR EXISTS (SELECT FROM inbox WHERE id = d.about_id AND mobile <> ''))
                 ORDER BY d.id LIMIT %(rows)s),
            back AS (
                DELETE FROM outbox_dead d USING chosen c WHERE d.id = c.id
                RETURNING d.*, c.endpoint_id AS to_id),
            put AS (
                INSERT INTO outbox (id, kind, application_id, endpoint_id, about_id, payload,
                                    campaign_id, mobile, status, status_at, sent_at, created_at,
                                    due_at)
                OVERRIDING SYSTEM VALUE
                SELECT id, kind, application_id, to_id, about_id, payload, campaign_id, mobile,
                       status, status_at, sent_at, created_at, clock_timestamp()
                  FROM back ORDER BY id)
            SELECT {_DEAD} FROM back ORDER BY id
            """,
            {
                "application": application_id,
                "ids": None if ids is None else ints(ids),
                "rows": rows,
            },
        )
        return cursor.fetchall()
