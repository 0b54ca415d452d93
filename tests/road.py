"""The road of a message, in a test's own database: lists, campaigns, and turns over binds of paper.

What knows how a turn is called, how a row is made and where it is found stands here and nowhere
else, so that a test says what happens and not how. `Line` stands for a bind: it has a window and
keeps its books as the gateway does. After every turn the tallies are held against the rows.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg import sql

from config.settings import Carrier
from engine import clock, dispatch
from engine.domain.routing import Route, Routing, Share
from engine.gateway import turn
from engine.gateway.plans import Network, Plan, plan_of
from engine.gateway.turn import Answer, Done, Partial, Received, Slots, Token, Work
from engine.store import control, nodes, queue
from engine.store.db import Database, Tx
from smpp import codec, receipt
from smpp.pdu import Command, ShortMessage

NUMBERS = itertools.count(1)
"""Mobiles, each once in a run."""

FILLED: tuple[LiteralString, ...] = (
    *("message", "submission", "feed", "due", "flight", "tally", "inbox", "mo_seen", "mo_part"),
    *("parked", "parked_candidate", "receipt_watch"),
    *("outbox", "outbox_dead", "endpoint"),
    *("response", "optout_command", "keyword", "auto_response"),
    *("sending_hours", "setting", "campaign_recipient", "campaign_pace", "daily_use"),
    *("session", "bind", "carrier_share", "carrier", "node"),
    *("consent", "blacklist", "member", "campaign_range", "campaign", "list", "past"),
)
"""The tables that a road writes to, in an order that foreign keys allow."""


class Message(NamedTuple):
    """A message's row, as far as a test asks for it."""

    id: int
    mobile: str
    state: str
    reason: str | None
    attempt: int
    total: int
    launched: int
    accepted: int
    delivered: int
    failed: int
    state_at: datetime
    sent_at: datetime | None


@dataclass(slots=True, eq=False)
class Line:
    """A bind as a turn sees it. `wire` holds what was written to it, oldest first."""

    plan: Plan
    window: int
    free: int
    number: int = 0
    paced: int = 1_000
    partial: Partial | None = None
    wire: list[tuple[Token, ShortMessage]] = field(default_factory=list)

    @property
    def carrier_id(self) -> int:
        return self.plan.id

    @property
    def tokens(self) -> list[Token]:
        """What is on the wire."""
        return [token for token, _ in self.wire]


def ok(token: Token, smsc_id: str | None, carrier_id: int = 1) -> Answer:
    """The SMSC took it."""
    return Answer(token, carrier_id, 0, smsc_id)


def refused(token: Token, status: int, carrier_id: int = 1) -> Answer:
    """The SMSC did not."""
    return Answer(token, carrier_id, status, None)


def silence(token: Token, carrier_id: int = 1) -> Answer:
    """No answer came (R-8.2)."""
    return Answer(token, carrier_id, None, None)


def receipt_of(
    smsc_id: str, word: str = "DELIVRD", *, mobile: str = "", carrier_id: int = 1
) -> Received:
    """A receipt as a bind reads it, in Appendix B's form."""
    text = (
        f"id:{smsc_id} sub:001 dlvrd:001 submit date:2611030910 done date:2611030911 "
        f"stat:{word} err:000 text:"
    )
    read = receipt.parse(text.encode(), {}, 0x04, 0)
    assert read is not None
    return Received(carrier_id, mobile.removeprefix("+"), read)


@dataclass(slots=True, eq=False)
class Road:
    """A migrated database with a node in it, and the verbs of a test."""

    database: Database
    node: nodes.NodeStart
    number: int = 0
    lines: list[Line] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    """Empty: every number goes to all carriers alike."""
    down: set[str] = field(default_factory=set)
    """Carriers that can't take messages now."""

    @staticmethod
    def open(database: Database, name: str = "gw1") -> Road:
        """A road whose node has just started."""
        return Road(database, database.run(nodes.start, name, clock.utc_now()))

    def clear(self) -> None:
        """Leave the database as it was found, which is ten times faster than another one."""
        self.database.run(_execute, "".join(f"DELETE FROM {name};" for name in FILLED), ())
        # Answers are those of carrier 1 unless a test says otherwise, whoever had carriers before.
        self.database.run(_execute, "SELECT setval('carrier_id_seq', 1, false)", ())

    # ---- what there is

    def application(self, name: str = "default") -> int:
        """The id of an application; made when there is none of that name."""
        self.sql("INSERT INTO application (name) VALUES (%s) ON CONFLICT DO NOTHING", name)
        self.sql(
            """
            INSERT INTO sender (application_id, address, ton, npi)
            SELECT id, '3774', 3, 0 FROM application WHERE name = %s ON CONFLICT DO NOTHING
            """,
            name,
        )
        return int(self.one("SELECT id FROM application WHERE name = %s", name))

    def list_of(self, members: int, *, application: str = "default") -> int:
        """A list with so many members; each has a number of its own and one param, its place."""
        list_id = int(
            self.one(
                "INSERT INTO list (application_id, name) VALUES (%s, gen_random_uuid()::text)"
                " RETURNING id",
                self.application(application),
            )
        )
        self.join(list_id, members)
        return list_id

    def join(self, list_id: int, members: int) -> None:
        """More members for a list."""
        start = next(NUMBERS)
        for _ in range(members):
            next(NUMBERS)
        self.sql(
            """
            INSERT INTO member (list_id, mobile, params)
            SELECT %s, '+6421' || lpad((%s + n)::text, 7, '0'), ARRAY[n::text]
              FROM generate_series(1, %s) AS n
            """,
            list_id,
            start,
            members,
        )

    def planned(
        self,
        members: int = 1,
        *,
        text: str = "Hello",
        application: str = "default",
        list_id: int | None = None,
        at: datetime | None = None,
        created_at: datetime | None = None,
        **told: object,
    ) -> int:
        """A campaign that is scheduled, for now or for `at`; `told` are columns of it."""
        campaign_id = int(
            self.one(
                """
                INSERT INTO campaign (application_id, list_id, quick, text, sender, scheduled_at,
                                      timezone, created_by, created_at)
                VALUES (%s, %s, false, %s, '3774', %s, 'UTC', 'anna', %s) RETURNING id
                """,
                self.application(application),
                self.list_of(members, application=application) if list_id is None else list_id,
                text,
                at or clock.utc_now() - timedelta(seconds=1),
                created_at or clock.utc_now(),
            )
        )
        self.database.run(_tell, campaign_id, told)
        return campaign_id

    def campaign(self, members: int = 1, **more: Any) -> int:
        """A campaign that runs, its first members fed."""
        self.sql("UPDATE campaign SET state = 'finishing' WHERE state = 'running'")
        campaign_id = self.planned(members, **more)
        self.step(more.get("application", "default"))
        assert self.campaign_state(campaign_id) == "running"
        return campaign_id

    def single(
        self, text: str = "Hello", *, message_class: int = 0, mobile: str | None = None
    ) -> int:
        """A message outside campaigns, due now."""
        message_id = int(
            self.one(
                """
                INSERT INTO message (id, application_id, class, state_at, created_at, mobile,
                                     sender, text, encoding)
                VALUES (next_id(), %s, %s, now(), now(), %s, '3774', %s, 'auto') RETURNING id
                """,
                self.application(),
                message_class,
                mobile or f"+6422{next(NUMBERS):07}",
                text,
            )
        )
        self.sql(
            "INSERT INTO due (message_id, class, due_at) VALUES (%s, %s, now())",
            message_id,
            message_class,
        )
        return message_id

    def opt(self, event: str, mobile: str, list_id: int | None = None) -> None:
        """What a number says: out or in."""
        self.sql(
            """
            INSERT INTO consent (application_id, mobile, list_id, event, origin, by)
            VALUES (%s, %s, %s, %s, 'manual', 'anna')
            """,
            self.application(),
            mobile,
            list_id,
            event,
        )

    def line(self, window: int = 10, *, carrier: str = "tui", **settings: Any) -> Line:
        """One more bind; `settings` are its carrier's."""
        carrier_id = self.database.run(nodes.carrier_id, carrier)
        configured = Carrier(name=carrier, host="127.0.0.1", system_id="siaran", **settings)
        line = Line(plan_of(configured, carrier_id), window, window, number=len(self.lines))
        self.lines.append(line)
        return line

    # ---- what happens

    def step(
        self,
        application: str = "default",
        now: datetime | None = None,
        routes: queue.Routes | None = None,
    ) -> dispatch.Step:
        """A step of the queue."""
        done = self.database.run(
            dispatch.step, self.application(application), now or clock.utc_now(), routes
        )
        assert done is not None
        self.check()
        return done

    def work(
        self,
        answers: Sequence[Answer] = (),
        received: Sequence[Received] = (),
        *,
        launch: bool = True,
        settled_turns: Sequence[int] = (),
        given_up: Sequence[tuple[int, int]] = (),
    ) -> Work:
        """The next turn, given what has come in."""
        self.number += 1
        plans = {line.plan.name: line.plan for line in self.lines}
        routing = Routing(
            self.routes or [Route(shares=tuple(Share(carrier=name) for name in plans))]
        )
        route_ids = self.database.run(control.route_ids, routing.keys)
        return Work(
            node_id=self.node.node_id,
            epoch=self.node.epoch,
            number=self.number,
            answers=answers,
            received=received,
            slots=[
                Slots(
                    line.number,
                    line.plan,
                    line.window,
                    line.free + sum(answer.token in line.tokens for answer in answers),
                    line.paced,
                    partial=line.partial,
                )
                for line in self.lines
                if line.plan.name not in self.down
            ],
            network=Network(plans=plans, routing=routing, route_ids=route_ids),
            up=frozenset(plans.keys() - self.down),
            settled_turns=settled_turns,
            given_up=given_up,
            most_segments=10,
            launch=launch,
        )

    def turn(
        self,
        answers: Sequence[Answer] = (),
        received: Sequence[Received] = (),
        *,
        launch: bool = True,
        settled_turns: Sequence[int] = (),
        given_up: Sequence[tuple[int, int]] = (),
    ) -> Done:
        """A turn, committed; what it launched is on the wire of its line."""
        work = self.work(
            answers, received, launch=launch, settled_turns=settled_turns, given_up=given_up
        )
        done = self.database.run(turn.run, work)
        self.book(work, done)
        self.check()
        return done

    def book(self, work: Work, done: Done) -> None:
        """The books of the lines after a turn."""
        answered = {answer.token for answer in work.answers}
        before = {slots.bind: slots for slots in work.slots}
        for slots in done.slots:
            line = self.lines[slots.bind]
            line.wire = [sent for sent in line.wire if sent[0] not in answered]
            line.wire += [(token, read(body)) for token, body in slots.batch]
            line.free = before[slots.bind].free - len(slots.batch)
            line.partial = slots.partial

    def settle(self, *answers: Answer) -> Done:
        """A turn that launches nothing."""
        return self.turn(answers, launch=False)

    def receive(self, *received: Received) -> Done:
        """The same for receipts."""
        return self.turn(received=received, launch=False)

    def sweep(self) -> Done:
        """Joins what was parked with what is known by now."""
        plans = {line.plan.name: line.plan for line in self.lines}
        network = Network(plans=plans, routing=Routing([]), route_ids={})
        done = self.database.run(
            turn.sweep, self.node.node_id, self.node.epoch, nodes.SWEPT, network
        )
        self.check()
        return done

    def sent(self, smsc_id: str = "A1") -> Message:
        """A message of a campaign that the SMSC took under that id; no receipt yet."""
        campaign_id = self.campaign(1)
        self.lines.clear()
        line = self.line()
        self.turn()
        self.settle(ok(line.tokens[0], smsc_id))
        [message] = self.messages(campaign_id)
        assert message.state == "sent"
        return message

    def restart(self, name: str = "gw1") -> nodes.NodeStart:
        """The engine was killed and starts again: a new epoch, new binds."""
        self.node = self.database.run(nodes.start, name, clock.utc_now())
        self.lines.clear()
        self.number = 0
        self.check()
        return self.node

    def pass_time(self, seconds: float) -> None:
        """What waits for a time has waited so much longer."""
        gone = timedelta(seconds=seconds)
        self.sql("UPDATE due SET due_at = due_at - %s", gone)
        self.sql("UPDATE parked SET at = at - %s", gone)
        self.sql("UPDATE receipt_watch SET due_at = due_at - %s", gone)
        self.sql("UPDATE mo_part SET at = at - %s", gone)

    # ---- what there is to see

    def messages(self, campaign_id: int | None = None) -> list[Message]:
        """The messages of a campaign, or all, in the order of their ids."""
        rows = self.database.run(
            lambda tx: tx.execute(
                """
                SELECT id, mobile, state::text, reason, attempt, total, launched, accepted,
                       delivered, failed, state_at, sent_at
                  FROM message WHERE %(c)s::bigint IS NULL OR campaign_id = %(c)s ORDER BY id
                """,
                {"c": campaign_id},
            ).fetchall()
        )
        return [Message._make(row) for row in rows]

    def message(self, message_id: int) -> Message:
        """One of them."""
        [found] = [one for one in self.messages() if one.id == message_id]
        return found

    def states(self, campaign_id: int | None = None) -> Counter[str]:
        """How many messages are in which state."""
        return Counter(one.state for one in self.messages(campaign_id))

    def campaign_state(self, campaign_id: int) -> str:
        """The state of a campaign."""
        return str(self.one("SELECT state::text FROM campaign WHERE id = %s", campaign_id))

    def tally(self, campaign_id: int) -> Counter[str]:
        """What the campaign's counts say."""
        rows = self.all(
            "SELECT state::text, sum(n)::int FROM tally WHERE campaign_id = %s GROUP BY 1",
            campaign_id,
        )
        return Counter({state: n for state, n in rows if n})

    def check(self) -> None:
        """The counts of each campaign are those of its message rows, at all times."""
        for (campaign_id,) in self.all("SELECT id FROM campaign"):
            assert self.tally(campaign_id) == self.states(campaign_id), f"campaign {campaign_id}"

    def due_now(self) -> int:
        """How many messages could be launched now."""
        return int(self.one("SELECT count(*) FROM due WHERE due_at <= now()"))

    def due_in_s(self, message_id: int) -> float:
        """How long after its last change of state a message is due again."""
        return float(
            self.one(
                """
                SELECT extract(epoch FROM d.due_at - m.state_at)
                  FROM due d JOIN message m ON m.id = d.message_id WHERE m.id = %s
                """,
                message_id,
            )
        )

    def picture(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that a repeated turn must not change (its own proof in `flight` aside)."""
        tables: dict[str, LiteralString] = {
            "message": "SELECT * FROM message ORDER BY id",
            "submission": "SELECT * FROM submission ORDER BY 1, 2, 3",
            "parked": "SELECT * FROM parked ORDER BY id",
            "receipt_watch": "SELECT * FROM receipt_watch ORDER BY 1, 2, 3",
            "feed": "SELECT id, campaign_id, next_id, last_id, served_at::text FROM feed ORDER BY id",
            "due": "SELECT * FROM due ORDER BY message_id",
            "tally": "SELECT campaign_id, state, sum(n) FROM tally GROUP BY 1, 2 ORDER BY 1, 2",
        }
        return {name: self.all(query) for name, query in tables.items()}

    # ---- SQL

    def sql(self, query: LiteralString, *args: object) -> None:
        """Do something."""
        self.database.run(_execute, query, args)

    def all(self, query: LiteralString, *args: object) -> list[tuple[Any, ...]]:
        """All rows of an answer."""
        return self.database.run(_fetch, query, args)

    def one(self, query: LiteralString, *args: object) -> Any:
        """The one value of an answer."""
        [[value]] = self.all(query, *args)
        return value


def read(body: bytes) -> ShortMessage:
    """The submit_sm of a body that a turn built."""
    return codec.parse_short_message(int(Command.SUBMIT_SM), 1, body, 0, len(body))


def text_of(submit: ShortMessage) -> str:
    """The text that the SMSC reads in a segment of GSM characters, its UDH aside."""
    octets = submit.octets
    if submit.esm_class & 0x40:
        octets = octets[1 + octets[0] :]
    return octets.decode("ascii")


def all_ok(line: Line, prefix: str = "A") -> list[Answer]:
    """The SMSC takes all that is on the wire: ids prefix-MESSAGE-SEGMENT-ATTEMPT."""
    return [
        ok(token, f"{prefix}-{token.message_id}-{token.segment}-{token.attempt}", line.carrier_id)
        for token in line.tokens
    ]


def _tell(tx: Tx, campaign_id: int, told: Mapping[str, object]) -> None:
    for column, value in told.items():
        query = sql.SQL("UPDATE campaign SET {} = %s WHERE id = %s").format(sql.Identifier(column))
        tx.execute(query, (value, campaign_id))


def _execute(tx: Tx, query: LiteralString, args: Iterable[object]) -> None:
    tx.execute(query, tuple(args))


def _fetch(tx: Tx, query: LiteralString, args: Iterable[object]) -> list[tuple[Any, ...]]:
    return tx.execute(query, tuple(args)).fetchall()
