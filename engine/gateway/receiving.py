"""The receipts of a turn: which submission each is about, and what becomes of its message (R-5.8).

All in sets. A receipt whose submission is not known is parked, and matched when that comes, or by
the sweep where the two missed each other; one that could be about several messages is kept apart
and never guessed. What the rules are stands in `engine.domain.receipts`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.domain.callback import Events
from engine.domain.receipts import (
    AMBIGUOUS,
    PLAIN,
    SOFT,
    Ambiguous,
    End,
    Judged,
    Rules,
    pick,
)
from engine.gateway.plans import Network
from engine.store import settling
from engine.store.db import Tx
from engine.store.settling import Moves, Parked, Submission
from smpp.receipt import Receipt, ReceiptState

# A flood of receipts that nobody here sent is looked through in steps, the newest first, and no more
# of them in a sweep than a transaction may last.
SWEPT_AT_ONCE = 2_000
STEPS = 20

# Of so many receipts of a turn that is asked for it the age is looked up.
AGED = 20


class Received(NamedTuple):
    """A receipt as a bind has read it; `other` is the address that should be ours."""

    carrier_id: int
    mobile: str
    receipt: Receipt
    other: str = ""


class Matched(NamedTuple):
    """A receipt and what it is about: one segment of an attempt, or the whole message."""

    submission: Submission
    judged: Judged
    whole: bool


@dataclass(slots=True)
class Books:
    """What is counted on the way; `network` None: of no carrier anything special is known. `told` is
    the most that any application wants to be told of its messages."""

    now: datetime
    network: Network | None
    receipts: Counter[str] = field(default_factory=Counter)
    tally: Counter[tuple[int, str]] = field(default_factory=Counter)
    told: Events | None = Events.ALL
    ages: list[tuple[int, float]] | None = None
    """By carrier, how long after their acceptance some receipts came; None: nobody wants to know."""

    def rules(self, carrier_id: int) -> Rules:
        """How a carrier's receipts are read; one that is no longer configured has none."""
        plan = self.network.by_id(carrier_id) if self.network is not None else None
        return PLAIN if plan is None else plan.receipts

    def count(self, moves: Moves) -> None:
        """Messages have changed their state."""
        for campaign_id, was, became, n in moves:
            if campaign_id is not None and was != became:
                self.tally[campaign_id, was] -= n
                self.tally[campaign_id, became] += n


Tiers = list[tuple[str, ...]]


def receive(tx: Tx, received: Sequence[Received], books: Books) -> None:
    """Matches receipts with submissions, parks those without one, carries out the rest."""
    since = settling.oldest_id(books.now)
    by_carrier: defaultdict[int, list[Received]] = defaultdict(list)
    for one in received:
        by_carrier[one.carrier_id].append(one)
    for carrier_id, ones in sorted(by_carrier.items()):
        rules = books.rules(carrier_id)
        first: list[tuple[Received, Tiers]]
        if rules.simple:
            first = [(one, [(smsc_id,) for smsc_id in one.receipt.ids]) for one in ones]
        else:
            first = [(one, rules.tiers(one.receipt.ids)[:1]) for one in ones]
        matched, unmatched, ambiguous = _match(tx, carrier_id, first, since)
        if unmatched:
            # The other ways to write an id: so what is unknown costs two look-ups, the rest one.
            rest = [(one, rules.tiers(one.receipt.ids)) for one in unmatched]
            found, unmatched, unclear = _match(tx, carrier_id, rest, since)
            matched += found
            ambiguous += unclear
        _keep(tx, rules, unmatched, ambiguous, books)
        _apply(
            tx,
            carrier_id,
            [
                Matched(submission, rules.judge(one.receipt), whole or rules.whole)
                for one, submission, whole in matched
            ],
            books,
        )


def _match(
    tx: Tx, carrier_id: int, wanted: Sequence[tuple[Received, Tiers]], since: int
) -> tuple[list[tuple[Received, Submission, bool]], list[Received], list[Received]]:
    """Those whose submission is known (and whether they are about all of it), the others, and
    those that could be about several."""
    index: dict[str, list[Submission]] = {}
    ids = {smsc_id for _, tiers in wanted for tier in tiers for smsc_id in tier}
    for submission in settling.find_submissions(tx, carrier_id, ids, since) if ids else ():
        index.setdefault(submission.smsc_id, []).append(submission)
    matched: list[tuple[Received, Submission, bool]] = []
    unmatched: list[Received] = []
    unclear: list[tuple[Received, list[Submission]]] = []
    for one, tiers in wanted:
        for tier in tiers:
            known = index.get(tier[0], [])
            if len(tier) > 1:
                known = [submission for form in tier for submission in index.get(form, ())]
            if len(known) == 1:
                matched.append((one, known[0], False))
                break
            if known:
                unclear.append((one, known))
                break
        else:
            unmatched.append(one)
    if not unclear:
        return matched, unmatched, []
    several = {s.message_id for _, known in unclear for s in known}
    mobiles = settling.mobiles_of(tx, sorted(several))
    ambiguous: list[Received] = []
    for one, known in unclear:
        picked = pick(known, (one.mobile, one.other), mobiles)
        if isinstance(picked, Ambiguous):
            ambiguous.append(one)
        else:
            matched.append((one, *picked))
    return matched, unmatched, ambiguous


def _keep(
    tx: Tx,
    rules: Rules,
    unmatched: Iterable[Received],
    ambiguous: Iterable[Received],
    books: Books,
) -> None:
    rows = [_row(one, rules, books.now) for one in unmatched]
    unclear = [_row(one, rules, books.now)._replace(ambiguous=True) for one in ambiguous]
    if rows:
        books.receipts["parked"] += len(rows)
    if unclear:
        books.receipts[AMBIGUOUS.value] += len(unclear)
    settling.park(tx, rows + unclear)


def _row(one: Received, rules: Rules, now: datetime) -> Parked:
    receipt = one.receipt
    ways = dict.fromkeys(way for tier in rules.tiers(receipt.ids) for way in tier)
    # The raw one stands first, for people; which way is likeliest `tiers` tells again.
    ids = tuple(dict.fromkeys((*receipt.ids, *ways)))
    return Parked(
        one.carrier_id,
        ids,
        one.mobile,
        receipt.state.value,
        receipt.stat,
        receipt.err,
        now,
        one.other,
    )


def receive_parked(tx: Tx, parked: Sequence[Parked], books: Books) -> None:
    """Receipts that came before their submission, which is known now."""
    _join(tx, parked, books, settling.park)


def _join(
    tx: Tx, parked: Sequence[Parked], books: Books, rest: Callable[[Tx, list[Parked]], None]
) -> None:
    """Matches what was parked. `rest` gets those that still can't be, and those that are unclear."""
    since = settling.oldest_id(books.now)
    by_carrier: defaultdict[int, list[Parked]] = defaultdict(list)
    for one in parked:
        by_carrier[one.carrier_id].append(one)
    for carrier_id, ones in sorted(by_carrier.items()):
        rules = books.rules(carrier_id)
        wanted: list[tuple[Received, Tiers]] = []
        rows: dict[int, Parked] = {}
        for one in ones:
            received = Received(carrier_id, one.mobile, _read(one), one.other)
            tiers: Tiers = [(smsc_id,) for smsc_id in one.ids]
            wanted.append((received, tiers if rules.simple else rules.tiers(one.ids[:1]) + tiers))
            rows[id(received)] = one
        matched, unmatched, ambiguous = _match(tx, carrier_id, wanted, since)
        left = [rows[id(one)] for one in unmatched]
        left += [rows[id(one)]._replace(ambiguous=True) for one in ambiguous]
        if ambiguous:
            books.receipts[AMBIGUOUS.value] += len(ambiguous)
        if left:
            rest(tx, left)
        _apply(
            tx,
            carrier_id,
            [
                Matched(submission, rules.judge(one.receipt), whole or rules.whole)
                for one, submission, whole in matched
            ],
            books,
        )


def _read(one: Parked) -> Receipt:
    state = ReceiptState(one.state)
    return Receipt(one.ids, one.stat, state, None, one.err, None, None, None, None, None, False)


def sweep(tx: Tx, books: Books, oldest: timedelta, forget: timedelta) -> None:
    """Joins what missed its submission, looks again at what is due, forgets what nobody claimed.

    `oldest` is how far back it looks; the youngest second is left to the turns that hold it.
    """
    now = books.now
    before, until = (now - timedelta(seconds=1), 0), now - oldest
    for _ in range(STEPS):
        rows = settling.parked_between(tx, until, before, SWEPT_AT_ONCE)
        known = _known(tx, [one for one in rows if not one.ambiguous], now)
        taken = settling.take_parked(tx, known)
        receive_parked(tx, [one for one in rows if one.id in taken], books)
        if len(rows) < SWEPT_AT_ONCE:
            break
        before = (rows[-1].at, rows[-1].id)
    look_again(tx, books)
    settling.purge_parked(tx, now - forget, SWEPT_AT_ONCE)


def _known(tx: Tx, parked: Sequence[Parked], now: datetime) -> set[int]:
    """Which of them have a submission by now."""
    since = settling.oldest_id(now)
    by_carrier: defaultdict[int, list[Parked]] = defaultdict(list)
    for one in parked:
        by_carrier[one.carrier_id].append(one)
    known: set[int] = set()
    for carrier_id, ones in sorted(by_carrier.items()):
        ids = {smsc_id for one in ones for smsc_id in one.ids}
        found = {s.smsc_id for s in settling.find_submissions(tx, carrier_id, ids, since)}
        known.update(one.id for one in ones if not found.isdisjoint(one.ids))
    return known


def look_again(tx: Tx, books: Books) -> None:
    """Silence after a part, and stats that no table knows, once their time is over."""
    due = settling.watched(tx, books.now, SWEPT_AT_ONCE)
    silent = [one.message_id for one in due if one.stat is None]
    if silent:
        books.count(settling.end_silence(tx, silent, books.now))
    groups: defaultdict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    for one in due:
        if one.stat is not None:
            groups[one.segment, one.attempt].append((one.message_id, one.stat))
    for (segment, attempt), ones in sorted(groups.items()):
        books.count(
            settling.receive_bad(
                tx, ones, segment=segment, attempt=attempt, state="failed", now=books.now
            )
        )


def _apply(tx: Tx, carrier_id: int, matched: Iterable[Matched], books: Books) -> None:
    """Carries out what receipts say: one update for each segment number, attempt and end."""
    good: defaultdict[tuple[int, int, bool, str], list[int]] = defaultdict(list)
    bad: defaultdict[tuple[int, int, str], dict[int, str]] = defaultdict(dict)
    unknown: defaultdict[tuple[int, int], dict[int, str]] = defaultdict(dict)
    counts: Counter[ReceiptState] = Counter()
    # Good ones go before bad ones, but for one that came after a bad one of its own attempt: rule 7.
    ended: set[tuple[int, int, int]] = set()
    after: list[Matched] = []
    for one in matched:
        (_, message_id, segment, attempt), judged, whole = one
        counts[judged.word] += 1
        match judged.end:
            case End.GOOD:
                if ended and (message_id, segment, attempt) in ended:
                    counts[judged.word] -= 1
                    after.append(one)
                else:
                    good[segment, attempt, whole, judged.mark or ""].append(message_id)
            case End.BAD:
                key = (message_id, segment, attempt)
                if key not in ended:
                    bad[segment, attempt, judged.state][message_id] = judged.reason or ""
                    if judged.reason != SOFT:
                        ended.add(key)
            case End.UNRECOGNISED:
                unknown[segment, attempt].setdefault(message_id, judged.reason or "?")
            case End.PENDING:
                pass
    books.receipts.update({word.value: n for word, n in counts.items()})
    now = books.now
    if books.ages is not None and good:
        some = [message_id for ids in good.values() for message_id in ids][:AGED]
        books.ages += [(carrier_id, age_s) for age_s in settling.ages(tx, some, carrier_id, now)]
    for (segment, attempt, whole, mark), ids in sorted(good.items()):
        moves = settling.receive_good(
            tx,
            sorted(ids),
            segment=segment,
            attempt=attempt,
            now=now,
            whole=whole,
            mark=mark or None,
            told=books.told,
        )
        books.count(moves)
    for (segment, attempt, state), reasons in sorted(bad.items()):
        failures = sorted(reasons.items())
        books.count(
            settling.receive_bad(
                tx, failures, segment=segment, attempt=attempt, state=state, now=now
            )
        )
    for (segment, attempt), stats in sorted(unknown.items()):
        settling.watch_stat(
            tx, sorted(stats.items()), carrier_id=carrier_id, segment=segment, attempt=attempt
        )
    if after:
        _apply(tx, carrier_id, after, books)
