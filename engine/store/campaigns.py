"""Campaigns as a person asks for them: make one, find it, follow it; `dispatching` runs them."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from engine.domain.campaign import CampaignState
from engine.domain.merge import PARAMS
from engine.domain.message import MessageState
from engine.domain.settings import SEGMENTS_MAX, UNCERTAIN, Uncertain
from engine.domain.why import Stragglers
from engine.store import held, settings
from engine.store.arrays import ints
from engine.store.db import Tx
from engine.store.launching import ASIDE, NO_ROUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaign:
    """What is decided about a campaign before it has an id; what an edit may change of it.

    `rate` is in messages a second. `opted_out_reason`: why it goes to who has opted out, too. With
    `from_campaign_id` its recipients are those of that campaign that were in `from_state`.
    """

    application_id: int
    list_id: int | None
    quick: bool
    batch: str | None
    text: str
    encoding: str  # auto, gsm, ucs2
    sender: str
    scheduled_at: datetime
    timezone: str
    created_by: str
    flash: bool = False
    transliterate: bool = False
    template: str | None = None
    rate: float | None = None
    not_after: datetime | None = None
    respect_hours: bool = False
    recipient_time: bool = False
    opted_out_reason: str | None = None
    from_campaign_id: int | None = None
    from_state: MessageState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign's row, with its list by name; `list` is None when the list is gone."""

    id: int
    list_id: int | None
    list: str | None
    state: CampaignState
    quick: bool
    batch: str | None
    text: str
    encoding: str
    sender: str
    scheduled_at: datetime
    timezone: str
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None
    recipients: int | None  # None before the start
    flash: bool
    transliterate: bool
    pause_reason: str | None  # when it is paused, and not just because somebody wanted it
    template: str | None  # the one that it began with
    rate: float | None  # messages a second
    not_after: datetime | None
    respect_hours: bool  # quick ones always do
    recipient_time: bool
    opted_out_reason: str | None  # why it goes to who has opted out, too
    from_campaign_id: int | None  # its recipients are of that one, those in `from_state`
    from_state: MessageState | None
    version: int  # grows with each edit

    def __post_init__(self) -> None:
        # psycopg gives the enums' words; everything above speaks of states.
        object.__setattr__(self, "state", CampaignState(self.state))
        if self.from_state is not None:
            object.__setattr__(self, "from_state", MessageState(self.from_state))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which campaigns are looked for; None asks nothing. `since` ≤ scheduled_at < `until`."""

    state: CampaignState | None = None
    list: str | None = None
    content: str | None = None
    batch: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a campaign stands. `counts` has every state, and its sum is `recipients` (R-7.6).

    Members that are not message rows yet are counted as queued. Before the start there are no
    recipients: `recipients` is None and every count 0.
    """

    campaign_id: int
    state: CampaignState
    recipients: int | None
    counts: Mapping[MessageState, int]
    started_at: datetime | None
    ended_at: datetime | None


_COLUMNS: Final = """
    c.id, c.list_id, l.name AS list, c.state, c.quick, c.batch, c.text, c.encoding, c.sender,
    c.scheduled_at, c.timezone, c.created_at, c.created_by, c.started_at, c.ended_at, c.recipients,
    c.flash, c.transliterate,
    CASE WHEN c.state = 'paused' THEN c.pause_reason END AS pause_reason,
    c.template, c.rate, c.not_after, c.respect_hours, c.recipient_time, c.opted_out_reason,
    c.from_campaign_id, c.from_state, c.version
"""


def create(tx: Tx, new: NewCampaign) -> Campaign:
    """Store a campaign as scheduled, dispatch starts it when its time has come."""
    row = tx.execute(
        """
        INSERT INTO campaign (application_id, list_id, quick, batch, text, encoding, sender,
                              scheduled_at, timezone, created_by, flash, transliterate, template,
                              rate, not_after, respect_hours, recipient_time, opted_out_reason,
                              from_campaign_id, from_state)
        VALUES (%(application_id)s, %(list_id)s, %(quick)s, %(batch)s, %(text)s, %(encoding)s,
                %(sender)s, %(scheduled_at)s, %(timezone)s, %(created_by)s, %(flash)s,
                %(transliterate)s, %(template)s, %(rate)s, %(not_after)s, %(respect_hours)s,
                %(recipient_time)s, %(opted_out_reason)s, %(from_campaign_id)s, %(from_state)s)
        RETURNING id
        """,
        asdict(new),
    ).fetchone()
    assert row is not None
    campaign = get(tx, new.application_id, row[0])
    assert campaign is not None
    return campaign


def get(tx: Tx, application_id: int, campaign_id: int) -> Campaign | None:
    """Give one campaign of the application; None when it has none of that id."""
    with tx.cursor(row_factory=class_row(Campaign)) as cursor:
        # campaign_pkey, list_pkey
        return cursor.execute(
            f"""
            SELECT {_COLUMNS}
            FROM campaign c LEFT JOIN list l ON l.id = c.list_id
            WHERE c.id = %s AND c.application_id = %s AND c.deleted_at IS NULL
            """,
            (campaign_id, application_id),
        ).fetchone()


def lock(tx: Tx, application_id: int, campaign_id: int) -> Campaign | None:
    """Give a campaign that nobody else changes until this transaction ends; None as in `get`."""
    # campaign_pkey. Locked first and read afterwards: what dispatch committed meanwhile is seen.
    tx.execute(
        "SELECT FROM campaign WHERE id = %s AND application_id = %s FOR UPDATE",
        (campaign_id, application_id),
    )
    return get(tx, application_id, campaign_id)


def cancel(tx: Tx, campaign_id: int, now: datetime) -> None:
    """End a campaign that has not started; the caller holds its lock and has looked."""
    tx.execute(  # campaign_pkey
        "UPDATE campaign SET state = 'cancelled', ended_at = %s WHERE id = %s",
        (now, campaign_id),
    )


def find(
    tx: Tx, application_id: int, asked: Filter, *, limit: int | None, before_id: int | None = None
) -> list[Campaign]:
    """Give the newest `limit` campaigns that match, the newest first; None gives all.

    `before_id` is for the next page.
    """
    with tx.cursor(row_factory=class_row(Campaign)) as cursor:
        # campaign_pkey, walked backwards until there are enough; campaign_list for a rare list.
        return cursor.execute(
            f"""
            SELECT {_COLUMNS}
            FROM campaign c LEFT JOIN list l ON l.id = c.list_id
            WHERE c.application_id = %(application_id)s AND c.deleted_at IS NULL
              AND (%(state)s::campaign_state IS NULL OR c.state = %(state)s)
              AND (%(list)s::text IS NULL OR l.name = %(list)s)
              AND (%(content)s::text IS NULL OR strpos(lower(c.text), lower(%(content)s)) > 0)
              AND (%(batch)s::text IS NULL OR c.batch = %(batch)s)
              AND (%(since)s::timestamptz IS NULL OR c.scheduled_at >= %(since)s)
              AND (%(until)s::timestamptz IS NULL OR c.scheduled_at < %(until)s)
              AND (%(before)s::bigint IS NULL OR c.id < %(before)s)
            ORDER BY c.id DESC
            LIMIT %(limit)s
            """,
            {
                "application_id": application_id,
                "state": asked.state,
                "list": asked.list,
                "content": asked.content,
                "batch": asked.batch,
                "since": asked.since,
                "until": asked.until,
                "before": before_id,
                "limit": limit,
            },
        ).fetchall()


def progress(tx: Tx, campaign_id: int) -> Progress | None:
    """Tell how many messages are in each state, now; None when there is no such campaign."""
    # campaign_pkey, tally_campaign. One statement is one snapshot: campaign and tally agree in it.
    rows = tx.execute(
        """
        SELECT c.state, c.recipients, c.fed, c.started_at, c.ended_at, t.state, t.n
        FROM campaign c LEFT JOIN LATERAL (
            SELECT state, sum(n)::int AS n FROM tally WHERE campaign_id = c.id GROUP BY state
        ) t ON true
        WHERE c.id = %s
        """,
        (campaign_id,),
    ).fetchall()
    if not rows:
        return None
    state, recipients, fed, started_at, ended_at, *_ = rows[0]
    counts = dict.fromkeys(MessageState, 0)
    for *_, message_state, n in rows:
        if message_state is not None:
            counts[MessageState(message_state)] = n
    if recipients is not None:
        counts[MessageState.QUEUED] += recipients - fed
    return Progress(
        campaign_id=campaign_id,
        state=CampaignState(state),
        recipients=recipients,
        counts=counts,
        started_at=started_at,
        ended_at=ended_at,
    )


def planned(tx: Tx, list_id: int) -> int:
    """Count the members that a campaign to the list would start with now."""
    # member_pkey by its list. A million members take 0.1 s: asked for one campaign at a time.
    row = tx.execute(
        "SELECT count(*) FROM member WHERE list_id = %s AND deleted_at IS NULL", (list_id,)
    ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def members_after(
    tx: Tx, list_id: int, after_id: int, rows: int, params: int = PARAMS
) -> list[tuple[int, str, list[str]]]:
    """Give the next members of a list by id, for merging: (id, mobile, params), at most `rows`.

    Of each the first `params`: whoever refers to no more need not wait for them. Tuples, since a
    list has up to a million of them (R-1.12).
    """
    return tx.execute(  # member_pkey
        """
        SELECT id, mobile, params[:%s] FROM member
        WHERE list_id = %s AND id > %s AND deleted_at IS NULL
        ORDER BY id LIMIT %s
        """,
        (params, list_id, after_id, rows),
    ).fetchall()


def most_segments(tx: Tx, application_id: int) -> int:
    """Give the most segments that a message of the application may take (R-2.2)."""
    return settings.get(tx, application_id, SEGMENTS_MAX)


_LOOKED_AT: Final = 10_000
"""Messages whose fate is looked up, the next ones first: the others will be much alike."""


def stragglers(tx: Tx, application_id: int, campaign_id: int) -> Stragglers:
    """Tell what of a campaign waits for a time or for a person, rather than for its turn."""
    due = tx.execute(
        # due_campaign, or due as a whole: it is small, or a carrier refuses everything
        """
        SELECT message_id, due_at, due_at > now(), route_id,
               count(*) FILTER (WHERE due_at > now()) OVER ()
        FROM due WHERE campaign_id = %s AND route_id <> %s ORDER BY due_at LIMIT %s
        """,
        (campaign_id, ASIDE, _LOOKED_AT),
    ).fetchall()
    states: dict[int, tuple[str, str | None]] = {
        message_id: (state, reason)
        for message_id, state, reason in tx.execute(  # message_YYYYMMDD_pkey
            "SELECT id, state::text, reason FROM message WHERE id = ANY (%s::bigint[])",
            (ints(row[0] for row in due),),
        )
    }
    refused = [
        (due_at, states[message_id][1])
        for message_id, due_at, later, *_ in due
        if later and states.get(message_id, ("", None))[0] == "queued"
    ]
    routes = [
        route_id
        for message_id, _, later, route_id, _ in due
        if not later and states.get(message_id, ("",))[0] == "queued"
    ]
    unanswered = [
        due_at for message_id, due_at, *_ in due if states.get(message_id, ("",))[0] == "uncertain"
    ]
    reasons = Counter(reason for _, reason in refused if reason is not None)
    beyond = max(due[0][-1] - _LOOKED_AT, 0) if due else 0
    return Stragglers(
        refused=len(refused) + beyond,
        retry_at=refused[0][0] if refused else None,
        refusal=reasons.most_common(1)[0][0] if reasons else None,
        unanswered=len(unanswered),
        resend_at=unanswered[0] if unanswered else None,
        hold=settings.get(tx, application_id, UNCERTAIN) is Uncertain.HOLD,
        held=held.count(tx, application_id, campaign_id),
        routed=sum(route_id > 0 for route_id in routes),
        unrouted=sum(route_id == NO_ROUTE for route_id in routes),
        **_hold_up(tx, {route_id for route_id in routes if route_id > 0}),
    )


def _hold_up(tx: Tx, route_ids: Collection[int]) -> dict[str, tuple[str, ...]]:
    """The routes by what they match, and which of their carriers take nothing: paused, or unbound."""
    if not route_ids:
        return {}
    routes = tx.execute(
        "SELECT key FROM route WHERE id = ANY (%s::smallint[]) ORDER BY key", (ints(route_ids),)
    )  # route_pkey
    down = tx.execute(
        # bind has a row a bind of each engine; route_pkey
        """
        SELECT c.name || CASE WHEN c.paused_at IS NOT NULL THEN ' is paused' ELSE ' is down' END
          FROM carrier c JOIN bind b ON b.carrier_id = c.id AND b.mode <> 'receiver'
          JOIN node n ON n.id = b.node_id AND n.lease_until > now()
         WHERE EXISTS (SELECT FROM route r WHERE r.id = ANY (%s::smallint[])
                          AND (c.name = ANY (r.carriers) OR r.carriers = '{}'))
         GROUP BY c.id
        HAVING c.paused_at IS NOT NULL OR bool_and(b.state <> 'bound')
         ORDER BY c.name
        """,
        (ints(route_ids),),
    )
    return {
        "routes": tuple(row[0] for row in routes.fetchall()),
        "down": tuple(row[0] for row in down.fetchall()),
    }
