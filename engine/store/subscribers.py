"""What must be known of who wrote, and what was decided, both for a batch of MO at a time (R-6).

`asked` reads, `domain.inbound.decide` decides, `apply` writes: all in the transaction that stores the
MO, so that each has its effects once, or comes again as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from engine.domain import numbers, parts
from engine.domain.inbound import (
    Answers,
    Blacklist,
    Consent,
    Context,
    Decision,
    Forward,
    Join,
    Keyword,
    Kind,
    Lift,
    Mo,
    Reply,
    Standing,
)
from engine.domain.settings import OPTOUT_SCOPE, OPTOUT_WINDOW, RESPONSES_PER_HOUR
from engine.domain.words import fold, opt_out_words
from engine.store import callbacks, settings
from engine.store.arrays import ints, literal, texts
from engine.store.db import Tx
from engine.store.inbox import Meant, Placed

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A row of the inbox that is to be decided about, and what has to be known for it."""

    inbox_id: int
    application_id: int | None
    mobile: str
    destination: str
    list: str | None
    mo: Mo
    context: Context


_EMPTY = Context(standing=Standing(), keywords={}, responses={}, list_responses={})


def asked(tx: Tx, rows: Sequence[Placed], now: datetime) -> list[Asked]:
    """What has to be known of each of these MO, in the order in which they came."""
    owned = [row for row in rows if row.application_id is not None]
    if not owned:
        return [_asked(row, _EMPTY) for row in rows]
    applications = ints({row.application_id for row in owned if row.application_id is not None})
    standings = _standings(tx, applications, owned, now)
    own_words = _own_words(tx, applications)
    keywords = _keywords(tx, applications, owned)
    lists = {row.list_id for row in owned if row.list_id is not None}
    lists |= {one.list_id for ones in keywords.values() for one in ones.values()}
    responses, list_responses = _responses(tx, applications, lists)
    scopes = settings.everywhere(tx, OPTOUT_SCOPE)
    windows = settings.everywhere(tx, OPTOUT_WINDOW)
    limits = settings.everywhere(tx, RESPONSES_PER_HOUR)
    found: list[Asked] = []
    for row in rows:
        application_id = row.application_id
        if application_id is None:
            found.append(_asked(row, _EMPTY))
            continue
        window = windows.get(application_id, OPTOUT_WINDOW.default)
        answers = None
        if row.campaign_id is not None:
            timely = row.ended_at is None or now - row.ended_at <= window
            answers = Answers(list_id=row.list_id, timely=timely, forward_to=row.forward_to)
        context = Context(
            standing=standings[application_id, row.row.mobile],
            answers=answers,
            opt_outs=own_words[application_id],
            keywords=keywords.get(application_id, {}),
            responses=responses.get(application_id, {}),
            list_responses=list_responses,
            scope=scopes.get(application_id, OPTOUT_SCOPE.default),
            per_hour=limits.get(application_id, RESPONSES_PER_HOUR.default),
        )
        found.append(_asked(row, context))
    return found


def apply(tx: Tx, decided: Sequence[tuple[Asked, Decision]], now: datetime) -> dict[int, Meant]:
    """Do what was decided about a batch, in sets; what the inbox says of each MO, by its number."""
    consents: list[tuple[Any, ...]] = []
    joins: set[tuple[int, str]] = set()
    listed: dict[tuple[int, str], bool] = {}
    replies: list[tuple[Asked, Reply]] = []
    forwards: list[tuple[Asked, Forward]] = []
    for one, decision in decided:
        if not decision.effects:
            continue
        assert one.application_id is not None, "what nobody owns has no effects"
        key = (one.application_id, one.mobile)
        for effect in decision.effects:
            match effect:
                case Consent():
                    reason = None if one.list is None else f'answers list "{one.list}"'
                    consents.append((*key, effect.list_id, effect.event, effect.origin, reason))
                case Join(list_id=list_id):
                    joins.add((list_id, one.mobile))
                case Blacklist():
                    listed[key] = True
                case Lift():
                    listed[key] = False
                case Reply():
                    replies.append((one, effect))
                case Forward():
                    forwards.append((one, effect))
    _say(tx, consents, now)
    _blacklist(tx, sorted(key for key, on in listed.items() if on), now)
    _lift(tx, sorted(key for key, on in listed.items() if not on))
    _join(tx, sorted(joins))
    _forward(tx, forwards, now)
    response_of = _reply(tx, replies, now)
    return {
        one.inbox_id: Meant(decision.meaning.value, response_of.get(one.inbox_id))
        for one, decision in decided
    }


def forget_responses(tx: Tx, before: datetime, rows: int) -> int:
    """Remove up to `rows` records of auto-responses that nobody asks for any more; how many."""
    cursor = tx.execute(
        # auto_response_at
        """
        DELETE FROM auto_response WHERE message_id IN (
            SELECT message_id FROM auto_response WHERE at < %s
             ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (before, rows),
    )
    return cursor.rowcount


# ---------------------------------------------------------------- reading


def _asked(placed: Placed, context: Context) -> Asked:
    row = placed.row
    mo = Mo(
        text=row.content,
        subscriber=_is_number(row.mobile) and not placed.ours,
        owned=placed.application_id is not None,
        dedicated=placed.dedicated,
        whole=row.parts >= row.parts_of,
        data=parts.is_data(row.data_coding),
    )
    return Asked(
        inbox_id=placed.id,
        application_id=placed.application_id,
        mobile=row.mobile,
        destination=row.destination,
        list=placed.list,
        mo=mo,
        context=context,
    )


def _is_number(mobile: str) -> bool:
    """Whether it is a mobile in international form: neither a name nor a short code."""
    digits = mobile.removeprefix("+")
    return digits != mobile and digits.isdecimal() and len(digits) >= numbers.MIN_DIGITS


def _standings(
    tx: Tx, applications: str, rows: Iterable[Placed], now: datetime
) -> dict[tuple[int, str], Standing]:
    """Where each number stands with its application."""
    standings = {
        (row.application_id, row.row.mobile): Standing()
        for row in rows
        if row.application_id is not None
    }
    mobiles = texts(sorted({mobile for _, mobile in standings}))
    said = tx.execute(
        # consent_mobile
        """
        SELECT application_id, mobile, event::text, list_id FROM consent
         WHERE application_id = ANY (%s::int[])
           AND mobile = ANY (string_to_array(%s, E'\\x1f'))
         ORDER BY id
        """,
        (applications, mobiles),
    )
    for application_id, mobile, event, list_id in said:
        key = (application_id, mobile)
        if key in standings:
            standings[key] = standings[key].said(event, list_id)
    facts: dict[tuple[int, str], dict[str, Any]] = {}
    blacklisted = tx.execute(
        # blacklist_mobile
        """
        SELECT application_id, mobile, origin = 'mo' FROM blacklist
         WHERE mobile = ANY (string_to_array(%s, E'\\x1f'))
        """,
        (mobiles,),
    )
    for application_id, mobile, by_mo in blacklisted:
        for key in standings:
            if key[1] == mobile and application_id in (None, key[0]):
                word = "listed_by_mo" if by_mo and application_id is not None else "listed"
                facts.setdefault(key, {})[word] = True
    answered = tx.execute(
        # auto_response_mobile
        """
        SELECT application_id, mobile, count(*) FROM auto_response
         WHERE application_id = ANY (%s::int[])
           AND mobile = ANY (string_to_array(%s, E'\\x1f')) AND at > %s
         GROUP BY 1, 2
        """,
        (applications, mobiles, now - HOUR),
    )
    for application_id, mobile, n in answered:
        facts.setdefault((application_id, mobile), {})["answered"] = n
    for key, words in facts.items():
        if key in standings:
            standings[key] = replace(standings[key], **words)
    return standings


def _own_words(tx: Tx, applications: str) -> dict[int, frozenset[str]]:
    """The words that opt out in each application."""
    found = tx.execute(
        # optout_command_pkey; one row at least for each application
        """
        SELECT a.id, c.word, c.enabled FROM unnest(%s::int[]) AS a (id)
          LEFT JOIN optout_command c ON c.application_id = a.id
        """,
        (applications,),
    )
    own: dict[int, dict[str, bool]] = {}
    for application_id, word, enabled in found:
        mine = own.setdefault(application_id, {})
        if word is not None:
            mine[word] = enabled
    return {application_id: opt_out_words(mine) for application_id, mine in own.items()}


def _keywords(
    tx: Tx, applications: str, rows: Iterable[Placed]
) -> Mapping[int, Mapping[str, Keyword]]:
    """The active keywords that these MO may be, by application and folded word."""
    words = sorted({fold(row.row.content) for row in rows if row.dedicated} - {""})
    if not words:
        return {}
    found = tx.execute(
        # keyword_pkey, list_pkey
        """
        SELECT k.application_id, k.word, k.list_id, k.response
          FROM keyword k JOIN list l ON l.id = k.list_id AND l.deleted_at IS NULL
         WHERE k.application_id = ANY (%s::int[])
           AND k.word = ANY (string_to_array(%s, E'\\x1f'))
           AND k.active AND k.deleted_at IS NULL
        """,
        (applications, texts(words)),
    )
    keywords: dict[int, dict[str, Keyword]] = {}
    for application_id, word, list_id, response in found:
        one = Keyword(list_id=list_id, response=response)
        keywords.setdefault(application_id, {})[word] = one
    return keywords


def _responses(
    tx: Tx, applications: str, lists: Iterable[int]
) -> tuple[dict[int, dict[Kind, str]], dict[int, str]]:
    """The responses of the applications, and those of these lists."""
    found = tx.execute(
        # response_one
        """
        SELECT application_id, kind, list_id, text FROM response
         WHERE application_id = ANY (%s::int[]) AND (list_id IS NULL OR list_id = ANY (%s::int[]))
        """,
        (applications, ints(lists)),
    )
    own: dict[int, dict[Kind, str]] = {}
    of_lists: dict[int, str] = {}
    for application_id, kind, list_id, text in found:
        if list_id is not None:
            of_lists[list_id] = text
        else:
            own.setdefault(application_id, {})[Kind(kind)] = text
    return own, of_lists


# ---------------------------------------------------------------- writing


def _say(tx: Tx, consents: Sequence[tuple[Any, ...]], now: datetime) -> None:
    if consents:
        applications, mobiles, lists, events, origins, reasons = zip(*consents, strict=True)
        tx.execute(
            # in the order in which they were said: the newest counts
            """
            INSERT INTO consent (application_id, mobile, list_id, event, origin, by, reason, at)
            SELECT c.application_id, c.mobile, c.list_id, c.event, c.origin, c.mobile, c.reason, %s
              FROM unnest(%s::int[], %s::text[], %s::int[], %s::consent_event[], %s::text[],
                          %s::text[])
                   WITH ORDINALITY AS c (application_id, mobile, list_id, event, origin, reason, n)
             ORDER BY c.n
            """,
            (
                now,
                ints(applications),
                literal(mobiles),
                ints(lists),
                literal(events),
                literal(origins),
                literal(reasons),
            ),
        )


def _blacklist(tx: Tx, keys: Sequence[tuple[int, str]], now: datetime) -> None:
    if keys:
        tx.execute(
            # blacklist_mobile; who is there for another reason stays there for that
            """
            INSERT INTO blacklist (application_id, mobile, origin, by, at)
            SELECT application_id, mobile, 'mo', mobile, %s
              FROM unnest(%s::int[], %s::text[]) AS b (application_id, mobile)
             ORDER BY mobile, application_id
                ON CONFLICT (mobile, application_id) DO NOTHING
            """,
            (now, ints(key[0] for key in keys), literal(key[1] for key in keys)),
        )


def _lift(tx: Tx, keys: Sequence[tuple[int, str]]) -> None:
    if keys:
        tx.execute(
            # blacklist_mobile
            """
            DELETE FROM blacklist
             USING unnest(%s::int[], %s::text[]) AS b (application_id, mobile)
             WHERE blacklist.mobile = b.mobile AND blacklist.application_id = b.application_id
               AND blacklist.origin = 'mo'
               AND blacklist.mobile = ANY (string_to_array(%s, E'\\x1f'))
            """,
            (
                ints(key[0] for key in keys),
                [key[1] for key in keys],
                texts({key[1] for key in keys}),
            ),
        )


def _join(tx: Tx, joins: Sequence[tuple[int, str]]) -> None:
    if joins:
        tx.execute(
            # member_list_id_mobile_key; who was deleted from the list is a member again
            """
            INSERT INTO member (list_id, mobile)
            SELECT list_id, mobile FROM unnest(%s::int[], %s::text[]) AS j (list_id, mobile)
             ORDER BY list_id, mobile
                ON CONFLICT (list_id, mobile) DO UPDATE SET deleted_at = NULL
             WHERE member.deleted_at IS NOT NULL
            """,
            (ints(join[0] for join in joins), literal(join[1] for join in joins)),
        )


def _reply(tx: Tx, replies: Sequence[tuple[Asked, Reply]], now: datetime) -> dict[int, int]:
    """Makes the messages, due at once and before all others (R-5.14); their ids by inbox id."""
    if not replies:
        return {}
    made = tx.execute(
        f"""
        WITH moved AS (
            INSERT INTO message (id, application_id, class, state_at, created_at, mobile, sender,
                                 text, encoding)
            SELECT next_id(), r.application_id, 0, %s, %s, r.mobile, r.sender, r.text, 'auto'
              FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[])
                   WITH ORDINALITY AS r (application_id, mobile, sender, text, n)
             ORDER BY r.n
            RETURNING {callbacks.RETURNING_BORN}),
        told AS ({callbacks.BORN})
        SELECT id FROM moved ORDER BY id
        """,
        (
            now,
            now,
            ints(one.application_id for one, _ in replies),
            literal(one.mobile for one, _ in replies),
            literal(one.destination for one, _ in replies),
            literal(reply.text for _, reply in replies),
        ),
    ).fetchall()
    ids = [int(message_id) for (message_id,) in made]
    tx.execute(
        """
        WITH made AS (
            INSERT INTO auto_response (message_id, application_id, mobile, kind, list_id, at)
            SELECT r.*, %s
              FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[], %s::int[]) AS r
            RETURNING message_id)
        INSERT INTO due (message_id, class, due_at) SELECT message_id, 0, %s FROM made
        """,
        (
            now,
            ints(ids),
            ints(one.application_id for one, _ in replies),
            literal(one.mobile for one, _ in replies),
            literal(reply.kind.value for _, reply in replies),
            ints(reply.list_id for _, reply in replies),
            now,
        ),
    )
    return {one.inbox_id: message_id for (one, _), message_id in zip(replies, ids, strict=True)}


def _forward(tx: Tx, forwards: Sequence[tuple[Asked, Forward]], now: datetime) -> None:
    """Puts mails about these MO into the outbox, in the order in which the MO came (R-6.8)."""
    if forwards:
        tx.execute(
            """
            INSERT INTO outbox (kind, application_id, recipient, about_id, created_at, due_at)
            SELECT 'forward', f.application_id, f.recipient, f.inbox_id, %s, %s
              FROM unnest(%s::int[], %s::text[], %s::bigint[])
                   WITH ORDINALITY AS f (application_id, recipient, inbox_id, n)
             ORDER BY f.n
            """,
            (
                now,
                now,
                [one.application_id for one, _ in forwards],
                [forward.to for _, forward in forwards],
                ints(one.inbox_id for one, _ in forwards),
            ),
        )
