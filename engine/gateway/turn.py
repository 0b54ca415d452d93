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
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

from engine.domain import merge, outbound
from engine.domain.callback import Events
from engine.domain.message import MessageClass
from engine.domain.outbound import MOST_SEGMENTS, Unsendable
from engine.domain.policy import STANDARD, Outcome, chance_of
from engine.domain.policy import turn as turn_of
from engine.domain.routing import NoWay, Way
from engine.domain.transliterate import transliterate
from engine.gateway import receiving
from engine.gateway.limits import Limits
from engine.gateway.plans import Network, Plan
from engine.gateway.receiving import Books
from engine.gateway.receiving import Received as Received
from engine.store import launching, nodes, settling
from engine.store.db import Tx
from engine.store.launching import NO_ROUTE, NOT_JUDGED, Begun, Candidate, Feed, Origin
from engine.store.settling import Moves
from smpp.codec import SubmitTemplate
from smpp.segments import Profile, Segment
from smpp.status import Policy

_message_id = itemgetter(0)

# Of campaigns by their recipients' hours so many are looked at in a turn: most may be outside.
LOOK_AHEAD = 1_000

# The rest of a message, a part of which a carrier took that is down since, goes over another one that
# sends the same only when it has waited for so long: most are back in seconds. Nearly all handsets
# keep the parts that they have for much longer.
PATIENCE = timedelta(minutes=5)
# And so long until it is looked at again.
LOOK_AGAIN = timedelta(seconds=5)
GONE = "the carrier that took a part of it is not configured any more"

_OVER = {"cancelled": "its campaign has ended", "expired": "its time limit has passed"}
"""Why a message that comes up again is not sent any more."""


class Token(NamedTuple):
    """What a launched segment is called until its outcome comes.

    `turn` is the one that sent it; 0 when that does not wait for it any more.
    """

    message_id: int
    segment: int
    attempt: int
    turn: int


NEVER_LEFT = -1
"""In place of a command_status: it was marked, and certainly not written to any socket."""


class Answer(NamedTuple):
    """What came of a launched segment; `command_status` None: no answer (R-8.2)."""

    token: Token
    carrier_id: int
    command_status: int | None
    smsc_id: str | None


@dataclass(slots=True)
class Slots:
    """A bind's part in a turn: the free segments of its window, and what is put into them.

    `window` is the most that it can ever have free; a larger message goes out bit by bit.
    """

    bind: int
    plan: Plan
    window: int
    free: int
    paced: int
    """PDUs that its pace lets go out now. The segments of one message go together all the same:
    then this falls below nothing, and the pace makes up for it."""
    tlvs: bool = True
    partial: "Partial | None" = None
    batch: list[tuple[Token, bytes]] = field(default_factory=list)

    @property
    def room(self) -> int:
        """The segments that may be put in."""
        return min(self.free, self.paced) if self.paced > 0 else 0

    @property
    def profile(self) -> Profile:
        """How this bind wants a text."""
        return self.plan.profile if self.tlvs else self.plan.without_tlvs

    def fresh(self) -> "Slots":
        """The same for another attempt of the turn."""
        partial = self.partial
        if partial is not None:
            partial = Partial(
                partial.message_id,
                partial.attempt,
                partial.template,
                partial.destination,
                list(partial.rest),
            )
        return Slots(self.bind, self.plan, self.window, self.free, self.paced, self.tlvs, partial)


@dataclass(slots=True)
class Partial:
    """A message larger than the window: what of it is still to be launched, on this bind."""

    message_id: int
    attempt: int
    template: SubmitTemplate
    destination: str
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
    network: Network
    up: frozenset[str]
    """The carriers that can take messages, if not in this turn: what they are to take waits."""
    most_segments: int
    launch: bool
    """Whether new messages may go out; what has begun goes on in any case."""
    aged: bool = False
    """Whether `Done.ages` is wanted."""


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
    alerts: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Answers, by carrier and status, that a person should hear of (R-5.7)."""
    taken: set[int] = field(default_factory=set)
    """Campaigns of which the SMSC took something."""
    refused: list[tuple[int, Policy]] = field(default_factory=list)
    """Refusals of campaigns' messages, for `CampaignWatch`."""
    ages: list[tuple[int, float]] = field(default_factory=list)
    """By carrier, how many seconds after their acceptance some of the receipts came."""
    unsendable: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Messages that ended because no carrier can carry them: by bind and `Unsendable.kind`."""


def run(tx: Tx, work: Work) -> Done:
    """The turn. Its result counts only once the transaction has committed."""
    now, parked, told = nodes.begin(tx, work.node_id, work.epoch)
    done = Done(slots=[slots.fresh() for slots in work.slots])
    tally: Counter[tuple[int, str]] = Counter()
    if work.answers:
        _settle(tx, work, now, done, tally, parked=parked, told=told)
    if work.received:
        ages = done.ages if work.aged else None
        books = Books(now, work.network, done.receipts, tally, told, ages)
        receiving.receive(tx, work.received, books)
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


def _count(tally: Counter[tuple[int, str]], moves: Moves) -> None:
    for campaign_id, was, became, n in moves:
        if campaign_id is not None and was != became:
            tally[campaign_id, was] -= n
            tally[campaign_id, became] += n


# ---------------------------------------------------------------- settle


def _settle(
    tx: Tx,
    work: Work,
    now: datetime,
    done: Done,
    tally: Counter[tuple[int, str]],
    *,
    parked: bool,
    told: Events | None,
) -> None:
    """Carries out what the SMSC answered, in sets: nearly always one, segment 1 of attempt 1."""
    accepted: defaultdict[tuple[int, int, int], list[tuple[int, str | None]]] = defaultdict(list)
    others: list[Answer] = []
    for answer in work.answers:
        token, carrier_id, command_status, smsc_id = answer
        if command_status == 0:
            message_id, segment, attempt, _ = token
            accepted[carrier_id, segment, attempt].append((message_id, smsc_id))
        else:
            others.append(answer)
    for (carrier_id, segment, attempt), ones in sorted(accepted.items()):
        ones.sort(key=_message_id)
        moves = settling.settle_accepted(
            tx,
            ones,
            carrier_id=carrier_id,
            segment=segment,
            attempt=attempt,
            now=now,
            told=told,
        )
        _count(tally, moves)
        done.taken.update(move[0] for move in moves if move[0] is not None)
        done.outcomes[carrier_id, "ESME_ROK"] += len(ones)
    if others:
        _settle_others(tx, work.network, others, now, done, tally)
    if parked:
        for (carrier_id, _, _), ones in sorted(accepted.items()):
            early = settling.unpark(tx, carrier_id, [smsc_id for _, smsc_id in ones if smsc_id])
            if early:
                books = Books(now, work.network, done.receipts, tally, told)
                receiving.receive_parked(tx, early, books)


def _settle_others(
    tx: Tx,
    network: Network,
    answers: Sequence[Answer],
    now: datetime,
    done: Done,
    tally: Counter[tuple[int, str]],
) -> None:
    """Refusals and silence: by what is to become of the message, one update each."""
    known = settling.refusals(tx, sorted({answer.token.message_id for answer in answers}))
    policies = {plan.id: plan.policies for plan in network.plans.values()}
    groups: defaultdict[tuple[int, int, str, str | None, bool], list[int]] = defaultdict(list)
    due: dict[int, datetime] = {}
    for token, carrier_id, command_status, _ in answers:
        message_id = token.message_id
        if command_status == NEVER_LEFT:
            groups[token.segment, token.attempt, "queued", None, False].append(message_id)
            due[message_id] = max(now, due.get(message_id, now))
            continue
        refused, campaign_id = known.get(message_id, (0, None))
        verdict = policies.get(carrier_id, STANDARD).verdict(
            command_status, refused=refused, chance=chance_of(message_id)
        )
        done.outcomes[carrier_id, verdict.label] += 1
        if verdict.alert:
            done.alerts[carrier_id, verdict.label] += 1
        if campaign_id is not None and verdict.policy is not None:
            done.refused.append((campaign_id, verdict.policy))
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
            due[message_id] = max(at, due.get(message_id, at))
        key = (token.segment, token.attempt, str(state), verdict.reason, verdict.counts)
        groups[key].append(message_id)
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


# ---------------------------------------------------------------- between turns


def sweep(
    tx: Tx,
    node_id: int,
    epoch: int,
    oldest: timedelta = nodes.SWEPT,
    network: Network | None = None,
) -> Done:
    """Joins parked receipts with submissions that were committed meanwhile (design decision 8).

    A node's first sweep looks further back than the others: nobody swept while none was up.
    """
    now, _, told = nodes.begin(tx, node_id, epoch)
    done = Done(slots=[])
    books = Books(now=now, network=network, receipts=done.receipts, told=told)
    receiving.sweep(tx, books, oldest, nodes.PARKED)
    launching.add_tally(tx, books.tally)
    return done


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


class _Left(NamedTuple):
    """A message that found no room. `short`: its carriers have some, but too little for it."""

    id: int
    route_id: int
    short: bool


class _Launch:
    """The third part of a turn: fills the slots, marks what fills them, builds the octets.

    Within a route messages keep their order: once one finds no room, all behind it on that route
    wait (`blocked`). What others overtake is put into `due` under its route, where it is found again
    as soon as that has room; so a route that is down or slow never stops another one.
    """

    def __init__(
        self, tx: Tx, work: Work, now: datetime, done: Done, tally: Counter[tuple[int, str]]
    ) -> None:
        self.tx = tx
        self.work = work
        self.now = now
        self.done = done
        self.tally = tally
        self.slots = done.slots
        self.of_carrier: dict[str, list[Slots]] = {}
        for slots in self.slots:
            self.of_carrier.setdefault(slots.plan.name, []).append(slots)
        self.turns = dict.fromkeys(self.of_carrier, 0)
        """By carrier, the bind that is next."""
        self.free = sum(slots.room for slots in self.slots)
        # What a class leaves free for campaigns; whether something of it has been launched; the
        # carriers of one that found too little room; whether a bind is held for that (`_hold`).
        self.kept = 0
        self.begun = self.held = self.lacks = False
        self.short: tuple[str, ...] = ()
        self.ids: list[int] = []
        """The messages that it marked."""
        self.fed: dict[int, int] = {}
        """Where each feed goes on."""
        self.due: dict[int, list[int]] = {}
        self.blocked: dict[str, bool] = {}
        """Routes whose messages wait, by key; True: for lack of room for a long one."""
        self.texts: dict[str, merge.Template] = {}
        self.limits = Limits(tx, now)
        self.ahead = LOOK_AHEAD
        self.away: list[int] = []
        """Messages of which a carrier took a part that is down now."""

    def run(self) -> None:
        """Launches, class 0 first, and keeps a share for campaigns while they have something."""
        self._continue_partials()
        if not self.work.launch:
            return
        if self.free <= 0:
            self.done.more = True
            return
        network = self.work.network
        room = {slots.plan.name for slots in self.slots if slots.room > 0}
        routes = [NOT_JUDGED, *(network.route_ids[key] for key in network.routing.open(room))]
        self.due = launching.due_now(self.tx, self.now, self.free, routes)
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
        could = [slots for name in self.short for slots in self.of_carrier[name]]
        slots = max(could, key=lambda slots: slots.room)
        self._use(slots, max(slots.room - freed, 0))
        self.held = True

    def _use(self, slots: Slots, n: int) -> None:
        """So many segments of a bind's are taken; less than nothing: given back."""
        before = slots.room
        slots.free -= n
        slots.paced -= n
        self.free += slots.room - before

    def _continue_partials(self) -> None:
        """Goes on with messages larger than a window: their bind takes nothing else meanwhile."""
        for slots in self.slots:
            partial = slots.partial
            if partial is None:
                continue
            parts = partial.rest[: slots.room]
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
                self._use(slots, slots.room)
            else:
                slots.partial = None

    def _put(self, slots: Slots, partial: Partial, parts: Sequence[tuple[int, Segment]]) -> None:
        for number, part in parts:
            token = Token(partial.message_id, number, partial.attempt, self.work.number)
            body = partial.template.body(
                partial.destination,
                part.esm_class,
                part.data_coding,
                part.octets,
                part.tlvs,
            )
            slots.batch.append((token, body))
        self._use(slots, len(parts))
        self.done.launched += len(parts)

    def _launch_due(self, message_class: MessageClass, kept: int = 0) -> None:
        self.kept = kept
        self.begun, self.short = False, ()
        self.blocked.clear()
        waiting, limit = self.due.get(message_class, []), max(self.free - kept, 0)
        wanted, self.due[message_class] = waiting[:limit], waiting[limit:]
        if not wanted:
            return
        self.done.more = True  # until a turn finds nothing due
        groups: defaultdict[Origin, list[Candidate]] = defaultdict(list)
        ready, over = launching.due_candidates(self.tx, wanted, self.now)
        for state, ended in over.items():
            self._end(ended, state, _OVER[state])
        for candidate, origin in ready:
            groups[origin].append(candidate)
        on_routes: dict[int, int] = {}
        for origin, group in groups.items():
            candidates = self.limits.of_due(origin, group)
            left = self._launch(origin, candidates)
            on_routes.update((one.id, one.route_id) for one in left)
            gone = {candidate.id for candidate in candidates} - on_routes.keys()
            launching.drop_due(self.tx, gone)
            self.due[message_class] += [one.id for one in left]
        launching.wait_on_routes(self.tx, on_routes)
        launching.put_off(self.tx, self.away, self.now + LOOK_AGAIN)
        self.away.clear()

    def _launch_feeds(self) -> None:
        passed: list[int] = []
        shut: list[int] = []
        self.kept = 0
        self.blocked.clear()
        routed = len(self.work.network.routing.keys) > 1
        while self.free > 0:
            feed = launching.next_feed(self.tx, passed, self.now, shut)
            if feed is None:
                return
            passed.append(feed.id)
            free = self.free
            limit = self.limits.most(feed.origin, free)
            if limit <= 0:
                shut += [feed.origin.campaign_id] if feed.origin.campaign_id else []
                continue
            candidates, upto = self._next_of(feed, limit)
            left = self._launch(feed.origin, candidates)
            # Who was overtaken, or waits for a route that is not everybody's, steps aside.
            ids = {one.id for one in left}
            last = max((one.id for one in candidates if one.id not in ids), default=0)
            stay = [one for one in left if one.id > last]
            if routed and stay and self.free > 0 and not any(one.short for one in stay):
                stay = []
            kept_back = {one.id for one in stay}
            launching.put_on_routes(
                self.tx,
                [(one.id, self.now, one.route_id) for one in left if one.id not in kept_back],
            )
            if stay:
                next_id = stay[0].id
            elif upto is not None:
                next_id = upto + 1
            else:
                next_id = feed.last_id + 1
            # One whose next message found no room stays the one that has waited longest.
            if not stay or next_id != candidates[0].id:
                self.fed[feed.id] = next_id
            if limit == free and (stay or next_id <= feed.last_id):
                self.done.more = True
            if stay:
                return

    def _next_of(self, feed: Feed, limit: int) -> tuple[list[Candidate], int | None]:
        """At most `limit` messages of a feed, and the last one that was looked at; None: it is through.

        By the hours of the recipients there may be many to be put aside for each that can go.
        """
        if not feed.origin.recipient_time:
            candidates = launching.feed_candidates(self.tx, feed, limit)
            return candidates, candidates[-1].id if len(candidates) == limit else None
        look = max(limit, self.ahead)
        found = launching.feed_candidates(self.tx, feed, look)
        candidates, looked = self.limits.inside(feed.origin, found, limit)
        self.ahead -= looked
        through = looked == len(found) and len(found) < look
        return candidates, None if through else found[looked - 1].id

    def _launch(self, origin: Origin, candidates: Sequence[Candidate]) -> list[_Left]:
        """Launches messages of one origin in order; answers those that found no room."""
        unwanted = launching.unwanted(
            self.tx, origin.application_id, origin.list_id, [c.mobile for c in candidates]
        )
        if origin.opted_out or origin.cap is not None:
            unwanted = self.limits.unwanted(origin, candidates, unwanted)
        excused: set[int] = set()
        if unwanted and origin.campaign_id is None:
            excused = launching.excused(self.tx, [c.id for c in candidates if c.mobile in unwanted])
        begun = [candidate.id for candidate in candidates if candidate.accepted]
        carried = launching.carriers_of(self.tx, begun) if begun else {}
        network, up = self.work.network, self.work.up
        table = network.routing.table(origin.sender, origin.application)
        find, blocked = table.find, self.blocked
        skipped: defaultdict[str, list[int]] = defaultdict(list)
        unsendable: defaultdict[str, list[int]] = defaultdict(list)
        chosen: list[_Chosen] = []
        left: list[_Left] = []
        for candidate in candidates:
            if candidate.mobile in unwanted and candidate.id not in excused:
                skipped[unwanted[candidate.mobile]].append(candidate.id)
                continue
            route = find(candidate.mobile)
            if route is None:
                left.append(_Left(candidate.id, NO_ROUTE, False))
                continue
            key = route.key
            if key not in blocked:
                usual = route.way(up, candidate.id, turn_of(candidate.refused))
                way: Way | NoWay | None = usual
                if candidate.id in carried:
                    way = self._same_way(origin, carried[candidate.id], usual)
                    if way is None:
                        unsendable[GONE].append(candidate.id)
                        continue
                    if isinstance(way, NoWay):
                        # It waits for one carrier, the others of its route for none.
                        left.append(_Left(candidate.id, network.route_ids[key], False))
                        self.away.append(candidate.id)
                        continue
                if isinstance(way, Way):
                    try:
                        one = self._choose(origin, candidate, way)
                    except Unsendable as error:
                        unsendable[str(error)].append(candidate.id)
                        continue
                    if one is not None:
                        chosen.append(one)
                        continue
                    blocked[key] = self.lacks
                else:
                    blocked[key] = False
            left.append(_Left(candidate.id, network.route_ids[key], blocked[key]))
        for reason, ids in skipped.items():
            self._end(ids, "skipped", reason)
        for reason, ids in unsendable.items():
            self._end(ids, "failed", reason)
        if chosen:
            self._mark(origin, chosen)
            if origin.rate is not None or origin.quota is not None:
                self.limits.launched(origin, [one.candidate for one in chosen])
        return left

    def _same_way(self, origin: Origin, begun: Begun, way: Way | NoWay) -> Way | NoWay | None:
        """Where the rest of a message goes of which a carrier took a part; None: nowhere any more.

        All of it goes over that carrier (R-5.5), for which it waits while that is down. When that
        lasts, others of its route may take the rest if what they send is the same to the handset,
        which puts it together: cut alike, from the same source. None of them would send what was
        taken (R-8.2), so where there is no such one it waits on. Of a carrier that is not configured
        any more nobody knows how it cut: what began there can't be ended, and fails.
        """
        network = self.work.network
        plan = network.by_id(begun.carrier_id)
        if plan is not None and plan.name in self.work.up:
            return Way((plan.name,), 1)
        lasts = self.now - begun.at > PATIENCE
        if plan is None:
            return None if lasts else NoWay("its carrier is not configured any more", routed=True)
        if lasts and isinstance(way, Way):
            sender = (origin.sender, origin.sender_ton, origin.sender_npi)
            alike = tuple(
                name
                for name in way.carriers
                if (other := network.plans[name]).profile == plan.profile
                and other.source(*sender) == plan.source(*sender)
            )
            if alike:
                return Way(alike, len(alike))
        return NoWay(f"carrier {plan.name} is down", routed=True)

    def _end(self, ids: list[int], state: str, reason: str) -> None:
        if not ids:
            return
        self.done.ended[state] += len(ids)
        for campaign_id, was in launching.mark_ended(self.tx, ids, state, reason, self.now):
            if campaign_id is not None:
                self.tally[campaign_id, was] -= 1
                self.tally[campaign_id, state] += 1

    def _text(self, origin: Origin, candidate: Candidate) -> str:
        if candidate.text is not None:
            return candidate.text
        assert origin.text is not None, f"message {candidate.id} has no text"
        template = self.texts.get(origin.text)
        if template is None:
            template = self.texts[origin.text] = merge.compile_text(origin.text)
        text = template.merge(candidate.params or ())
        return transliterate(text) if origin.transliterate else text

    def _choose(self, origin: Origin, candidate: Candidate, way: Way) -> _Chosen | None:
        """Finds the bind for a message: all its segments go over one (R-5.5).

        The carriers of the tier that is in force are tried in their order. Raises Unsendable when
        none of them can carry the text.
        """
        text = self._text(origin, candidate)
        profile: Profile | None = None
        todo: list[tuple[int, Segment]] = []
        total = need = 0
        refusal: Unsendable | None = None
        refuser = 0
        # The first message of a class takes what room there is: it may have waited for it for long.
        most = MOST_SEGMENTS
        if self.kept and (self.begun or outbound.is_campaigns(self.work.number)):
            most = self.free - self.kept
        short: list[str] = []
        for name in way.carriers[: way.sharing]:
            group = self.of_carrier.get(name, ())
            count = len(group)
            for _ in range(count):
                at = self.turns[name]
                slots = group[at]
                self.turns[name] = at + 1 if at + 1 < count else 0
                if slots.room <= 0:
                    continue
                if slots.profile is not profile:
                    profile = slots.profile
                    try:
                        parts = outbound.compose(
                            candidate.id,
                            text,
                            origin.encoding,
                            self.work.most_segments,
                            profile,
                            origin.flash,
                        )
                    except Unsendable as error:
                        refusal, refuser, profile = error, slots.bind, None
                        break
                    total = len(parts)
                    if candidate.accepted:
                        self._check_cut(candidate.accepted, total, slots.bind)
                    if total == 1:
                        todo = [(1, parts[0])]
                    else:
                        over = candidate.accepted | candidate.failed
                        todo = [
                            (i, part) for i, part in enumerate(parts, 1) if not over >> (i - 1) & 1
                        ]
                    need = len(todo)
                if slots.free >= need:
                    if need > most:
                        self.lacks = False
                        return None
                    return self._take(candidate, origin, slots, todo, total, need)
            if profile is None:
                continue
            # Larger than any window: it starts alone, on a bind with nothing on the wire.
            if need > max(slots.window for slots in group):
                for slots in group:
                    if slots.free == slots.window and not slots.batch and slots.free <= most:
                        return self._take(candidate, origin, slots, todo, total, slots.free)
            short.append(name)
        if refusal is not None and not short:
            self.done.unsendable[refuser, refusal.kind] += 1
            raise refusal
        self.lacks = bool(short)
        self.short = tuple(short) or self.short
        return None

    def _check_cut(self, accepted: int, total: int, bind: int) -> None:
        """Refuses the rest of a message whose carrier cuts it otherwise than when it took a part."""
        if accepted >= (1 << total) - 1:
            self.done.unsendable[bind, "cut otherwise"] += 1
            raise Unsendable(
                "its carrier cuts it otherwise since a part of it was taken", "cut otherwise"
            )

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
        self._use(slots, now_)
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
                self._use(slots, -mask.bit_count())
                continue
            self.ids.append(candidate.id)
            attempt = candidate.attempt + 1
            plan = slots.plan
            template = plan.template(
                origin.sender,
                origin.sender_ton,
                origin.sender_npi,
                tlvs=slots.tlvs,
                validity=None
                if origin.not_after is None
                else plan.until(origin.not_after, self.now),
            )
            destination = plan.address(candidate.mobile)
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
                slots.partial = Partial(candidate.id, attempt, template, destination, rest)
                self._use(slots, slots.room)
