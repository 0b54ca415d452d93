"""The floor under the turn: its SQL and the codec, with nothing around them. See `turn`.

What an SMSC says is made by the simulator's own rules, in memory, while the clocks stand still.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from config.load import load
from config.settings import Settings
from engine import clock, dispatch
from engine.domain.routing import Routing
from engine.gateway import turn
from engine.gateway.plans import Network, plan_of, routes_of
from engine.gateway.turn import Answer, Done, Received, Slots, Work
from engine.store import control, nodes
from engine.store.db import Database, Tx
from smpp import receipt
from smpp.events import BindRequested, Deliveries, DeliverResponses, SubmitResponses, Submits
from smpp.pdu import Bind, Mode, Submit
from smpp.protocol import Connection
from smpp.smsc import Counters, Delivery, Options, Smsc
from smpp.states import Role
from tests.rig import Rig

FED_AHEAD = 20_000
"""Messages that are made before the turns need them: what the engine's dispatch keeps on average."""

TABLES: Final = "message, submission, feed, due, flight, tally"


class Floor(NamedTuple):
    """What it costs at least."""

    messages_s: float
    own_us: float
    postgres_us: float


@dataclass(slots=True)
class Watch:
    """Adds up how long something lasts and what this thread's CPU does meanwhile."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    @contextmanager
    def runs(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.wall_s += time.perf_counter() - wall
            self.cpu_s += time.thread_time() - cpu


@dataclass(slots=True)
class Paper:
    """An SMSC on paper: octets in, octets out, receipts one exchange after their responses."""

    smsc: Smsc = field(default_factory=lambda: Smsc(Options(), Counters()))
    _due: list[Delivery] = field(default_factory=list)

    def answer(self, far: Connection, octets: bytes) -> bytes:
        """What it says to that: responses, and the receipts of those before."""
        taken: list[tuple[Submit, str]] = []
        for event in far.receive_data(octets, 0.0) if octets else ():
            if isinstance(event, Submits):
                taken += [(submit, self.smsc.accept(submit)) for submit in event.items]
            else:
                assert isinstance(event, DeliverResponses), event
        out = far.answer_submits([(one.command, one.sequence, 0, name) for one, name in taken])
        out += far.submit([(one, one.body) for one in self._due], 0.0)
        self._due = self.smsc.receipts(taken, clock.utc_now())
        return out


def measure(rig: Rig, list_name: str, messages: int, window: int) -> Floor:
    """The same list once more, in a database that is as it was before; the engine must be down."""
    rig.sql(f"TRUNCATE {TABLES}")
    rig.sql("CHECKPOINT", user="postgres")
    rig.send(list_name)
    near, far = bound_pair()
    paper, watch = Paper(), Watch()
    # By its home: who opens a URL is no client that the embedded server stays up for.
    opened = Database.open(None, home=rig.home, size=1)
    with closing(opened) as database, _little_garbage():
        node = database.run(nodes.start, "floor", clock.utc_now())
        network = database.run(_network, load(rig.configuration, {}))
        (plan,) = network.plans.values()
        ((application,),) = rig.sql("SELECT id FROM application WHERE name = 'default'")
        before_s = rig.postgres_use().cpu_s
        fed = launched = delivered = number = free = 0
        free = window
        heard = b""
        acks: list[tuple[int, int, int]] = []
        settled: list[int] = []
        while delivered < messages:
            with watch.runs():
                while fed < messages and fed - launched < FED_AHEAD:
                    step = database.run(dispatch.step, application, clock.utc_now())
                    assert step is not None
                    fed += step.fed
                answers, received, acks = _read(near, plan.id, heard)
                free += len(answers)
                number += 1
                work = Work(
                    node_id=node.node_id,
                    epoch=node.epoch,
                    number=number,
                    answers=answers,
                    received=received,
                    slots=[Slots(0, plan, window, free, paced=free)],
                    settled_turns=settled,
                    given_up=[],
                    network=network,
                    up=frozenset(network.plans),
                    most_segments=10,
                    launch=True,
                )
                done: Done = database.run(turn.run, work)
                batch = done.slots[0].batch
                octets = near.respond(acks) + near.submit(batch, 0.0)
            # All that a turn launches is answered before the next one.
            settled = [number]
            free -= len(batch)
            launched += len(batch)
            delivered += len(received)
            assert batch or answers or received, "nothing is left to do, and not all has come back"
            heard = paper.answer(far, octets)
        postgres_s = rig.postgres_use().cpu_s - before_s
    counts = rig.sql("SELECT state::text, count(*)::int FROM message GROUP BY 1")
    assert counts == [("delivered", messages)], counts
    us = 1e6 / messages
    return Floor(messages / watch.wall_s, watch.cpu_s * us, postgres_s * us)


def _network(tx: Tx, settings: Settings) -> Network:
    """The rig's one carrier with its catch-all route, as the engine makes them of a configuration."""
    routing = Routing(routes_of(settings.routes))
    plans = {one.name: plan_of(one, nodes.carrier_id(tx, one.name)) for one in settings.carriers}
    return Network(plans=plans, routing=routing, route_ids=control.route_ids(tx, routing.keys))


def _read(
    near: Connection, carrier: int, octets: bytes
) -> tuple[list[Answer], list[Received], list[tuple[int, int, int]]]:
    """What a bind makes of a read: answers, receipts, and what is to be said to these."""
    answers: list[Answer] = []
    received: list[Received] = []
    acks: list[tuple[int, int, int]] = []
    for event in near.receive_data(octets, 0.0) if octets else ():
        if isinstance(event, SubmitResponses):
            answers += [
                Answer(token, carrier, status, smsc_id) for token, status, smsc_id, _ in event.items
            ]
        else:
            assert isinstance(event, Deliveries), event
            for item in event.items:
                read = receipt.parse(item.octets, item.tlvs, item.esm_class, item.data_coding)
                assert read is not None
                received.append(Received(carrier, item.source, read))
                acks.append((item.command, item.sequence, 0))
    return answers, received, acks


def bound_pair() -> tuple[Connection, Connection]:
    """Both ends of a session that never meets a socket."""
    near, far = Connection(Role.ESME, now=0.0), Connection(Role.SMSC, now=0.0)
    near.bind(Bind(mode=Mode.TRANSCEIVER, system_id="floor"), 0.0)
    (asked,) = far.receive_data(near.data_to_send(), 0.0)
    assert isinstance(asked, BindRequested)
    far.answer_bind(0, "paper", 0.0)
    near.receive_data(far.data_to_send(), 0.0)
    return near, far


@contextmanager
def _little_garbage() -> Iterator[None]:
    """The collector as the engine sets it (`engine.app`)."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
