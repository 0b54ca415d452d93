"""One turn: settle what was answered, take the receipts, launch for all free windows.

All of it is one transaction, run in a thread as a synchronous function (design: *a message is a
row*). What is true at all times:

* A segment is marked launched in the database before its octets leave. So what a killed engine may
  have sent is named by `flight`, at most one window a bind, and nothing else is ever sent twice.
* A slot of a window is free again when the outcome that freed it is committed: a turn launches into
  slots that were free when it began and into those whose outcomes it settles itself.
* The whole turn can run again (a serialization failure), and its updates are conditional: run twice
  on the same outcomes they change nothing the second time.

Order within a turn: settle, then receipts (which so find their submission), then launch, class 0
first (R-5.14).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

from engine.domain import merge, outbound
from engine.domain.message import MessageClass
from engine.domain.outbound import Outcome, Unsendable
from engine.store import launching, nodes, settling
from engine.store.db import Tx
from engine.store.launching import Candidate, Origin
from engine.store.settling import Moves, Parked, Submission
from smpp import receipt as receipts
from smpp.codec import SubmitTemplate
from smpp.pdu import Address
from smpp.receipt import Receipt, ReceiptState
from smpp.segments import Segment

# A receipt's states that end a segment badly, and the message's state that follows (wire.md).
BAD_END = {
    ReceiptState.EXPIRED: "expired",
    ReceiptState.DELETED: "cancelled",
    ReceiptState.UNDELIVERABLE: "failed",
    ReceiptState.UNKNOWN: "failed",
    ReceiptState.REJECTED: "rejected",
    ReceiptState.SKIPPED: "failed",
}

_message_id = itemgetter(0)

# A number's last digits, which is all that carriers agree on (wire.md, Ids).
TELLING_DIGITS = 8


class Token(NamedTuple):
    """What a launched segment is called until its outcome comes.

    `turn` is the one that sent it; 0 when that does not wait for it any more.
    """

    message_id: int
    segment: int
    attempt: int
    turn: int


class Answer(NamedTuple):
    """What came of a launched segment; `command_status` None: no answer (R-8.2)."""

    token: Token
    carrier_id: int
    command_status: int | None
    smsc_id: str | None


class Received(NamedTuple):
    """A receipt as a bind has read it."""

    carrier_id: int
    mobile: str
    receipt: Receipt


@dataclass(slots=True)
class Slots:
    """A bind's part in a turn: the free segments of its window, and what is put into them."""

    bind: int
    carrier_id: int
    window: int
    free: int
    dest_ton: int = 1
    dest_npi: int = 1
    partial: "Partial | None" = None
    batch: list[tuple[Token, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Partial:
    """A message larger than the window: what of it is still to be launched, on this bind."""

    message_id: int
    attempt: int
    template: SubmitTemplate
    mobile: str
    rest: list[tuple[int, Segment]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a turn is given. It changes `slots`, of which each attempt of it gets fresh copies."""

    node_id: int
    epoch: int
    number: int
    answers: Sequence[Answer]
    received: Sequence[Received]
    slots: Sequence[Slots]
    settled_turns: Sequence[int]
    given_up: Sequence[tuple[int, int]]
    """Messages (id, attempt) larger than the window whose session fell before all had gone out."""
    most_segments: int
    launch: bool
    """Whether new messages may go out; what has begun goes on in any case."""


@dataclass(slots=True)
class Done:
    """What a committed turn did, and what is to be written to the wire now."""

    slots: list[Slots]
    launched: int = 0
    recorded: bool = False
    """Whether the turn has a row in `flight`."""
    more: bool = False
    given_up: list[tuple[int, int]] = field(default_factory=list)
    """Those of `Work.given_up` that still wait for an answer."""
    outcomes: Counter[tuple[int, str]] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    rebind: set[int] = field(default_factory=set)


def run(tx: Tx, work: Work) -> Done:
    """The turn. Its result counts only once the transaction has committed."""
    now, parked = nodes.check_epoch(tx, work.node_id, work.epoch)
    done = Done(
        slots=[
            Slots(s.bind, s.carrier_id, s.window, s.free, s.dest_ton, s.dest_npi, _copy(s.partial))
            for s in work.slots
        ]
    )
    tally: Counter[tuple[int, str]] = Counter()
    if work.answers:
        _settle(tx, work.answers, now, done, tally, parked=parked)
    if work.received:
        _receive(tx, work.received, now, done, tally)
    if work.given_up:
        _take_back(tx, work.given_up, now, done, tally)
    launch = _Launch(tx, work, now, done, tally)
    launch.run()
    if launch.ids or launch.fed or tally or work.answers or work.received:
        done.recorded = True
        launching.close_turn(
            tx,
            node_id=work.node_id,
            epoch=work.epoch,
            turn=work.number,
            launched=launch.ids,
            settled_turns=work.settled_turns,
            fed=launch.fed,
            tally=tally,
            now=now,
        )
    elif work.settled_turns:
        launching.forget_turns(tx, work.node_id, work.epoch, work.settled_turns)
    return done


def _copy(partial: Partial | None) -> Partial | None:
    if partial is None:
        return None
    return Partial(
        partial.message_id, partial.attempt, partial.template, partial.mobile, list(partial.rest)
    )


def _count(tally: Counter[tuple[int, str]], moves: Moves) -> None:
    for campaign_id, was, became, n in moves:
        if campaign_id is not None and was != became:
            tally[campaign_id, was] -= n
            tally[campaign_id, became] += n


# ---------------------------------------------------------------- settle


def _settle(
    tx: Tx,
    answers: Sequence[Answer],
    now: datetime,
    done: Done,
    tally: Counter[tuple[int, str]],
    *,
    parked: bool,
) -> None:
    """Carries out what the SMSC answered, in sets: nearly always one, segment 1 of attempt 1."""
    accepted: defaultdict[tuple[int, int, int], list[tuple[int, str | None]]] = defaultdict(list)
    others: list[Answer] = []
    for answer in answers:
        token, carrier_id, command_status, smsc_id = answer
        if command_status == 0:
            message_id, segment, attempt, _ = token
            accepted[carrier_id, segment, attempt].append((message_id, smsc_id))
        else:
            others.append(answer)
    for (carrier_id, segment, attempt), ones in sorted(accepted.items()):
        ones.sort(key=_message_id)
        moves = settling.settle_accepted(
            tx, ones, carrier_id=carrier_id, segment=segment, attempt=attempt, now=now
        )
        _count(tally, moves)
        done.outcomes[carrier_id, "ESME_ROK"] += len(ones)
    if others:
        _settle_others(tx, others, now, done, tally)
    if parked:
        for (carrier_id, _, _), ones in sorted(accepted.items()):
            early = settling.unpark(tx, carrier_id, [smsc_id for _, smsc_id in ones if smsc_id])
            if early:
                _receive_parked(tx, early, now, done, tally)


def _settle_others(
    tx: Tx, answers: Sequence[Answer], now: datetime, done: Done, tally: Counter[tuple[int, str]]
) -> None:
    """Refusals and silence: by what is to become of the message, one update each."""
    refused = settling.refusals(tx, sorted({answer.token.message_id for answer in answers}))
    groups: defaultdict[tuple[int, int, str, str | None, bool], list[int]] = defaultdict(list)
    due: dict[int, datetime] = {}
    for token, carrier_id, command_status, _ in answers:
        verdict = outbound.verdict(command_status, refused.get(token.message_id, 0))
        name = verdict.reason if command_status is not None else "no answer"
        done.outcomes[carrier_id, name or ""] += 1
        wait_s: float | None = None
        match verdict.outcome:
            case Outcome.AGAIN:
                state, wait_s = "queued", verdict.delay_s
            case Outcome.UNKNOWN:
                state, wait_s = "uncertain", nodes.UNCERTAIN_S
            case _:
                state = verdict.state or "failed"
        if wait_s is not None:
            at = now + timedelta(seconds=wait_s)
            due[token.message_id] = max(at, due.get(token.message_id, at))
        if verdict.rebind:
            done.rebind.add(carrier_id)
        key = (token.segment, token.attempt, str(state), verdict.reason, verdict.counts)
        groups[key].append(token.message_id)
    for (segment, attempt, state, reason, counts), ids in groups.items():
        moves = settling.settle_otherwise(
            tx,
            sorted(ids),
            segment=segment,
            attempt=attempt,
            state=state,
            reason=reason,
            counts=counts,
            now=now,
        )
        _count(tally, moves)
    launching.put_due(tx, sorted(due.items()))


def _take_back(
    tx: Tx,
    given_up: Sequence[tuple[int, int]],
    now: datetime,
    done: Done,
    tally: Counter[tuple[int, str]],
) -> None:
    """Queues messages of which nothing is on the wire any more, and a part was never sent.

    Where something is, its answer has to be settled first: that may end the message, or make it
    uncertain, which sends the rest as well.
    """
    for message_id, attempt in sorted(given_up):
        on_the_wire, moves = launching.take_back(tx, message_id, attempt, now)
        _count(tally, moves)
        if on_the_wire:
            done.given_up.append((message_id, attempt))
        elif moves:
            launching.put_due(tx, [(message_id, now)])


# ---------------------------------------------------------------- receipts


def _receive(
    tx: Tx,
    received: Sequence[Received],
    now: datetime,
    done: Done,
    tally: Counter[tuple[int, str]],
) -> None:
    """Matches receipts with submissions, parks those without one, carries out the rest."""
    since = settling.oldest_id(tx, now)
    by_carrier: defaultdict[int, list[Received]] = defaultdict(list)
    for one in received:
        by_carrier[one.carrier_id].append(one)
    for carrier_id, ones in sorted(by_carrier.items()):
        found = _index(
            settling.find_submissions(
                tx, carrier_id, {smsc_id for one in ones for smsc_id in one.receipt.ids}, since
            )
        )
        matched: list[tuple[Submission, Receipt]] = []
        unmatched: list[Received] = []
        for one in ones:
            submission = _pick(tx, one, found)
            if submission is None:
                unmatched.append(one)
            else:
                matched.append((submission, one.receipt))
        if unmatched:
            _rescue(tx, carrier_id, unmatched, since, matched, now, done)
        _apply(
            tx,
            [(submission, receipt.state, receipt.stat) for submission, receipt in matched],
            now,
            done,
            tally,
        )


def _rescue(
    tx: Tx,
    carrier_id: int,
    unmatched: Iterable[Received],
    since: int,
    matched: list[tuple[Submission, Receipt]],
    now: datetime,
    done: Done,
) -> None:
    """Tries the other ways to write an id; what still has no submission is parked."""
    wanted = {one: _candidates(one.receipt) for one in unmatched}
    found = _index(
        settling.find_submissions(
            tx, carrier_id, {way for ways in wanted.values() for way in ways}, since
        )
    )
    parked: list[Parked] = []
    for one, ways in wanted.items():
        submission = _pick(tx, one, found, ways)
        if submission is not None:
            matched.append((submission, one.receipt))
            continue
        done.receipts["parked"] += 1
        receipt = one.receipt
        parked.append(
            Parked(carrier_id, ways, one.mobile, str(receipt.state), receipt.stat, receipt.err, now)
        )
    settling.park(tx, parked)


def _candidates(receipt: Receipt) -> tuple[str, ...]:
    ways: dict[str, None] = {}
    for smsc_id in receipt.ids:
        ways.update(dict.fromkeys(receipts.candidates(smsc_id)))
    return tuple(ways)


def _index(submissions: Iterable[Submission]) -> dict[str, list[Submission]]:
    index: dict[str, list[Submission]] = {}
    for submission in submissions:
        index.setdefault(submission.smsc_id, []).append(submission)
    return index


def _pick(
    tx: Tx,
    one: Received,
    found: dict[str, list[Submission]],
    ways: Sequence[str] | None = None,
) -> Submission | None:
    """The submission that a receipt is about; where an id was used twice, the number decides."""
    for smsc_id in one.receipt.ids if ways is None else ways:
        known = found.get(smsc_id)
        if known is None:
            continue
        if len(known) == 1:
            return known[0]
        mobiles = settling.mobiles_of(tx, [submission.message_id for submission in known])
        tail = one.mobile[-TELLING_DIGITS:]
        same = [s for s in known if mobiles.get(s.message_id, "")[-TELLING_DIGITS:] == tail]
        if len(same) == 1:
            return same[0]
    return None


def _receive_parked(
    tx: Tx,
    parked: Sequence[Parked],
    now: datetime,
    done: Done,
    tally: Counter[tuple[int, str]],
) -> None:
    """Receipts that came before their submission, which is known now."""
    since = settling.oldest_id(tx, now)
    for one in parked:
        found = _index(settling.find_submissions(tx, one.carrier_id, one.ids, since))
        state = ReceiptState(one.state)
        receipt = Receipt(
            one.ids, one.stat, state, None, one.err, None, None, None, None, None, False
        )
        submission = _pick(tx, Received(one.carrier_id, one.mobile, receipt), found)
        if submission is None:
            settling.park(tx, [one])
        else:
            _apply(tx, [(submission, state, one.stat)], now, done, tally)


def sweep(tx: Tx, node_id: int, epoch: int, oldest: timedelta = nodes.SWEPT) -> Done:
    """Joins parked receipts with submissions that were committed meanwhile (design decision 8).

    A node's first sweep looks further back than the others: nobody swept while none was up.
    """
    now, _ = nodes.check_epoch(tx, node_id, epoch)
    done = Done(slots=[])
    tally: Counter[tuple[int, str]] = Counter()
    joinable = settling.joinable_parked(tx, settling.oldest_id(tx, now), now, oldest=oldest)
    if joinable:
        _receive_parked(tx, joinable, now, done, tally)
    launching.add_tally(tx, tally)
    return done


def _apply(
    tx: Tx,
    matched: Iterable[tuple[Submission, ReceiptState, str | None]],
    now: datetime,
    done: Done,
    tally: Counter[tuple[int, str]],
) -> None:
    """Carries out what receipts say: one update for each segment number, attempt and end."""
    good: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    bad: defaultdict[tuple[int, int, str, str], list[int]] = defaultdict(list)
    for submission, state, stat in matched:
        done.receipts[str(state)] += 1
        if state is ReceiptState.DELIVERED:
            good[submission.segment, submission.attempt].append(submission.message_id)
        elif state in BAD_END:
            reason = "UNKNOWN" if state is ReceiptState.UNKNOWN else stat or state.upper()
            key = (submission.segment, submission.attempt, BAD_END[state], reason)
            bad[key].append(submission.message_id)
    for (segment, attempt), ids in sorted(good.items()):
        moves = settling.receive_good(tx, sorted(ids), segment=segment, attempt=attempt, now=now)
        _count(tally, moves)
    for (segment, attempt, end, reason), ids in sorted(bad.items()):
        moves = settling.receive_bad(
            tx, sorted(ids), segment=segment, attempt=attempt, state=end, reason=reason, now=now
        )
        _count(tally, moves)


# ---------------------------------------------------------------- launch


class _Chosen(NamedTuple):
    """A message that has its slots, before it is marked."""

    candidate: Candidate
    origin: Origin
    slots: Slots
    parts: list[tuple[int, Segment]]
    total: int
    mask: int
    larger: bool


class _Launch:
    """The third part of a turn: fills the slots, marks what fills them, builds the octets."""

    def __init__(
        self, tx: Tx, work: Work, now: datetime, done: Done, tally: Counter[tuple[int, str]]
    ) -> None:
        self.tx = tx
        self.work = work
        self.now = now
        self.done = done
        self.tally = tally
        self.slots = done.slots
        self.turn_of_slots = 0
        self.free = sum(slots.free for slots in self.slots)
        # What a class leaves free for campaigns; whether something of it has been launched, and
        # whether something of it found no room; whether a bind is held for that (`_hold`).
        self.kept = 0
        self.begun = self.short = self.held = False
        self.ids: list[int] = []
        """The messages that it marked."""
        self.fed: dict[int, int] = {}
        """Where each feed goes on."""
        self.due: dict[int, list[int]] = {}
        self.texts: dict[str, merge.Template] = {}
        self.templates: dict[tuple[str, int, int], SubmitTemplate] = {}

    def run(self) -> None:
        """Launches, class 0 first, and keeps a share for campaigns while they have something."""
        self._continue_partials()
        if not self.work.launch:
            return
        if self.free <= 0:
            self.done.more = True
            return
        self.due = launching.due_now(self.tx, self.now, self.free)
        if not self.due:
            self._launch_feeds()
            return
        kept = outbound.campaign_share(self.free, self.work.number)
        freed = outbound.campaign_share(len(self.work.answers), self.work.number)
        for message_class in (MessageClass.RESPONSE, MessageClass.API):
            self._launch_due(message_class, kept)
            self._hold(freed)
        self._launch_due(MessageClass.CAMPAIGN)
        self._hold(0)
        self._launch_feeds()
        # What campaigns did not need of their share.
        self._launch_due(MessageClass.RESPONSE)
        self._launch_due(MessageClass.API)

    def _hold(self, freed: int) -> None:
        """Lets a bind run empty for a message that found no room on any: its slots stay free.

        Else messages of one segment would take each slot that becomes free, and it would wait behind
        a whole campaign (R-5.14). Campaigns get `freed` of them, their share of what became free in
        this turn, so that a flood of long messages does not stop them either.
        """
        if not self.short or self.held:
            return
        slots = max(self.slots, key=lambda slots: slots.free)
        withheld = max(slots.free - freed, 0)
        slots.free -= withheld
        self.free -= withheld
        self.held = True

    def _continue_partials(self) -> None:
        """Goes on with messages larger than a window: their bind takes nothing else meanwhile."""
        for slots in self.slots:
            partial = slots.partial
            if partial is None:
                continue
            parts = partial.rest[: slots.free]
            mask = sum(1 << (number - 1) for number, _ in parts)
            # Named in `flight` by each turn that has it, or a restart between two of its segments
            # would not know of it.
            self.ids.append(partial.message_id)
            if launching.mark_continued(self.tx, partial.message_id, partial.attempt, mask):
                del partial.rest[: len(parts)]
                self._put(slots, partial, parts)
            else:
                partial.rest.clear()
            if partial.rest:
                self.free -= slots.free
                slots.free = 0
            else:
                slots.partial = None

    def _put(self, slots: Slots, partial: Partial, parts: Sequence[tuple[int, Segment]]) -> None:
        for number, part in parts:
            token = Token(partial.message_id, number, partial.attempt, self.work.number)
            body = partial.template.body(
                partial.mobile.removeprefix("+"),
                part.esm_class,
                part.data_coding,
                part.octets,
                part.tlvs,
            )
            slots.batch.append((token, body))
        slots.free -= len(parts)
        self.free -= len(parts)
        self.done.launched += len(parts)

    def _launch_due(self, message_class: MessageClass, kept: int = 0) -> None:
        self.kept = kept
        self.begun = self.short = False
        waiting, limit = self.due.get(message_class, []), max(self.free - kept, 0)
        wanted, self.due[message_class] = waiting[:limit], waiting[limit:]
        if not wanted:
            return
        self.done.more = True  # until a turn finds nothing due
        groups: defaultdict[Origin, list[Candidate]] = defaultdict(list)
        for candidate, origin in launching.due_candidates(self.tx, wanted, self.now):
            groups[origin].append(candidate)
        for origin, candidates in groups.items():
            left = self._launch(origin, candidates)
            launching.drop_due(self.tx, {candidate.id for candidate in candidates} - set(left))
            self.due[message_class] += left

    def _launch_feeds(self) -> None:
        passed: list[int] = []
        self.kept = 0
        while self.free > 0:
            feed = launching.next_feed(self.tx, passed)
            if feed is None:
                return
            passed.append(feed.id)
            candidates = launching.feed_candidates(self.tx, feed, self.free)
            full = len(candidates) == self.free
            left = self._launch(feed.origin, candidates)
            if left:
                next_id = left[0]
            elif full:
                next_id = candidates[-1].id + 1
            else:
                next_id = feed.last_id + 1
            # One whose next message found no room stays the one that has waited longest.
            if not left or left[0] != candidates[0].id:
                self.fed[feed.id] = next_id
            if left or next_id <= feed.last_id:
                self.done.more = True
            if left:
                return

    def _launch(self, origin: Origin, candidates: Sequence[Candidate]) -> list[int]:
        """Launches messages of one origin in order; answers the ids that found no room."""
        out = launching.opted_out(
            self.tx, origin.application_id, origin.list_id, [c.mobile for c in candidates]
        )
        skipped: list[int] = []
        unsendable: defaultdict[str, list[int]] = defaultdict(list)
        chosen: list[_Chosen] = []
        left: list[int] = []
        for candidate in candidates:
            if candidate.mobile in out:
                skipped.append(candidate.id)
                continue
            if left:
                left.append(candidate.id)
                continue
            try:
                parts = self._compose(origin, candidate)
            except Unsendable as error:
                unsendable[str(error)].append(candidate.id)
                continue
            one = self._choose(origin, candidate, parts)
            if one is None:
                left.append(candidate.id)
            else:
                chosen.append(one)
        self._end(skipped, "skipped", "opted out")
        for reason, ids in unsendable.items():
            self._end(ids, "failed", reason)
        if chosen:
            self._mark(origin, chosen)
        return left

    def _end(self, ids: list[int], state: str, reason: str) -> None:
        if not ids:
            return
        self.done.ended[state] += len(ids)
        for campaign_id, was in launching.mark_ended(self.tx, ids, state, reason, self.now):
            if campaign_id is not None:
                self.tally[campaign_id, was] -= 1
                self.tally[campaign_id, state] += 1

    def _compose(self, origin: Origin, candidate: Candidate) -> list[Segment]:
        text = candidate.text if candidate.text is not None else origin.text
        assert text is not None, f"message {candidate.id} has no text"
        if candidate.text is None:
            template = self.texts.get(text)
            if template is None:
                template = self.texts[text] = merge.compile_text(text)
            text = template.merge(candidate.params or ())
        return outbound.compose(candidate.id, text, origin.encoding, self.work.most_segments)

    def _choose(self, origin: Origin, candidate: Candidate, parts: list[Segment]) -> _Chosen | None:
        """Finds the bind for a message: all its segments go over one (R-5.5)."""
        total = len(parts)
        if total == 1:
            todo = [(1, parts[0])]
        else:
            over = candidate.accepted | candidate.failed
            todo = [(i, part) for i, part in enumerate(parts, 1) if not over & (1 << (i - 1))]
        need = len(todo)
        # The first message of a class takes what room there is: it may have waited for it for long.
        room = self.free
        if self.kept and (self.begun or outbound.is_campaigns(self.work.number)):
            room -= self.kept
        count = len(self.slots)
        for _ in range(count):
            slots = self.slots[self.turn_of_slots]
            self.turn_of_slots = (self.turn_of_slots + 1) % count
            if slots.free >= need:
                if room < need:
                    return None
                return self._take(candidate, origin, slots, todo, total, need)
        # Larger than any window: it starts alone, on a bind with nothing on the wire.
        if need > max((slots.window for slots in self.slots), default=0):
            for slots in self.slots:
                if slots.free == slots.window and not slots.batch and room >= slots.free:
                    return self._take(candidate, origin, slots, todo, total, slots.free)
        self.short = True
        return None

    def _take(
        self,
        candidate: Candidate,
        origin: Origin,
        slots: Slots,
        todo: list[tuple[int, Segment]],
        total: int,
        now_: int,
    ) -> _Chosen:
        mask = 1 if total == 1 else sum(1 << (number - 1) for number, _ in todo[:now_])
        self.begun = True
        slots.free -= now_
        self.free -= now_
        return _Chosen(candidate, origin, slots, todo, total, mask, now_ < len(todo))

    def _mark(self, origin: Origin, chosen: Sequence[_Chosen]) -> None:
        """Marks the chosen ones, and builds the octets of those that were still to be had."""
        groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for one in chosen:
            groups[one.total, one.mask].append(one.candidate.id)
        marked: dict[int, str] = {}
        for (total, mask), ids in sorted(groups.items()):
            marked.update(
                launching.mark_launched(
                    self.tx, sorted(ids), total=total, launched=mask, now=self.now
                )
            )
        if origin.campaign_id is not None:
            for state, n in Counter(marked.values()).items():
                self.tally[origin.campaign_id, state] -= n
            self.tally[origin.campaign_id, "launched"] += len(marked)
        number = self.work.number
        for candidate, _, slots, todo, _, mask, larger in chosen:
            if candidate.id not in marked:
                slots.free += mask.bit_count()
                self.free += mask.bit_count()
                continue
            self.ids.append(candidate.id)
            attempt = candidate.attempt + 1
            template = self._template(origin, slots)
            destination = candidate.mobile.removeprefix("+")
            batch = slots.batch
            rest: list[tuple[int, Segment]] = []
            for i, part in todo:
                if not mask & (1 << (i - 1)):
                    rest.append((i, part))
                    continue
                octets, esm_class, data_coding, tlvs = part
                body = template.body(destination, esm_class, data_coding, octets, tlvs)
                batch.append((Token(candidate.id, i, attempt, number), body))
            self.done.launched += mask.bit_count()
            if larger:
                slots.partial = Partial(candidate.id, attempt, template, candidate.mobile, rest)
                self.free -= slots.free
                slots.free = 0

    def _template(self, origin: Origin, slots: Slots) -> SubmitTemplate:
        key = (origin.sender, slots.dest_ton, slots.dest_npi)
        template = self.templates.get(key)
        if template is None:
            source = Address(origin.sender_ton, origin.sender_npi, origin.sender)
            template = SubmitTemplate(source, slots.dest_ton, slots.dest_npi)
            self.templates[key] = template
        return template
