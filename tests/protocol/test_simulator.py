"""The simulator over real sockets, with our own session as its ESME (R-5.12).

What it is told to do by option it does; what it is not told to do it does not.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from re import compile as pattern
from typing import Any

import pytest
import trio
import trio.testing

from smpp import receipt, simulator, status, tlv, transport
from smpp.codec import SubmitTemplate
from smpp.events import Closed, Deliveries, Event, SubmitResponses
from smpp.pdu import Address, Bind, CancelSm, Command, Mode, QuerySm, ShortMessage
from smpp.receipt import ReceiptState
from smpp.session import BindFailed, Session, open_session
from smpp.simulator import Counters, Options
from smpp.subscribers import Rule
from tests.protocol.far import Far, streams, takes
from tests.protocol.wire import HALO, Pdu, bind_body, pdu

C = Command
LOCAL = "127.0.0.1"
NOW = datetime(2026, 11, 3, 9, 10, 0, 123456, tzinfo=UTC)
US = Address(3, 0, "3774")
ALICE = "64211234567"
Handler = Callable[[trio.abc.Stream], Awaitable[None]]


@dataclass
class Simulator:
    """A running simulator: its port, and what it counts."""

    port: int
    counters: Counters

    @asynccontextmanager
    async def esme(
        self, mode: Mode = Mode.TRANSCEIVER, system_id: str = "siaran", password: str = "secret"
    ) -> AsyncIterator[Esme]:
        """An ESME bound to it."""
        stream = await transport.connect(LOCAL, self.port, timeout_s=5)
        bind = Bind(mode=mode, system_id=system_id, password=password)
        async with open_session(stream, bind=bind) as session:
            yield Esme(session)

    async def raw(self) -> Far:
        """A connection on which nothing has been said."""
        return Far(await transport.connect(LOCAL, self.port, timeout_s=5))

    async def serves_others(self) -> None:
        """Let somebody else bind and send, as if nothing had been."""
        async with self.esme(system_id="another") as esme:
            await esme.send("Halo")
            assert [code for _, code, _ in await esme.answers(1)] == [status.OK]


@dataclass
class Esme:
    """A session, and what it was told."""

    session: Session
    answered: list[tuple[Any, int, str | None]] = field(default_factory=list)
    messages: list[ShortMessage] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    closed: Closed | None = None

    async def send(self, *texts: str, to: str = ALICE, registered: int = 1) -> None:
        """Submit these in one write, each with its text as token."""
        template = SubmitTemplate(US, 1, 1, registered_delivery=registered)
        bodies = [(text, template.body(to, 0, 0, text.encode("ascii"))) for text in texts]
        await self.session.submit(bodies)

    async def answers(self, count: int) -> list[tuple[Any, int, str | None]]:
        """The first so many outcomes: token, status, id."""
        while len(self.answered) < count:
            await self._read()
        return self.answered

    async def deliveries(self, count: int, code: int = status.OK) -> list[ShortMessage]:
        """So many deliver_sm, each answered with that status."""
        while len(self.messages) < count:
            await self._read()
        taken, self.messages = self.messages[:count], self.messages[count:]
        await self.session.respond((one.command, one.sequence, code) for one in taken)
        return taken

    async def end(self) -> Closed:
        """How the session ends."""
        while self.closed is None:
            await self._read()
        return self.closed

    async def _read(self) -> None:
        try:
            batch: list[Event] = await anext(self.session)
        except StopAsyncIteration:
            pytest.fail(f"the session is over: {self.closed}")
        for event in batch:
            match event:
                case SubmitResponses(items):
                    self.answered += [item[:3] for item in items]
                    self.order += ["answer"] * len(items)
                case Deliveries(items):
                    self.messages += items
                    self.order += ["delivery"] * len(items)
                case Closed():
                    self.closed = event
                case _:
                    pass


@asynccontextmanager
async def smsc(**options: Any) -> AsyncIterator[Simulator]:
    """A simulator with these options; a test with it takes 10 s at most."""
    counters = Counters()
    serve = partial(
        simulator.serve, Options(port=0, seed=1, **options), utc_now=lambda: NOW, counters=counters
    )
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            yield Simulator(await nursery.start(serve), counters)
            nursery.cancel_scope.cancel()


def receipts(messages: Iterable[ShortMessage]) -> list[receipt.Receipt]:
    found = [
        receipt.parse(one.octets, one.tlvs, one.esm_class, one.data_coding) for one in messages
    ]
    return [one for one in found if one is not None]


# ---- binds ------------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("mode", Mode)
async def test_anybody_may_bind_in_any_mode(mode: Mode) -> None:
    async with smsc() as there, there.esme(mode) as esme:
        assert esme.session.peer.system_id == "siaran-smsc"
        await esme.session.unbind()
        assert (await esme.end()).clean
    assert (there.counters.binds, there.counters.binds_refused) == (1, 0)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("system_id", "password", "code"),
    [
        ("siaran", "wrong", status.INVALID_PASSWORD),
        ("siaran", "", status.INVALID_PASSWORD),
        ("other", "secret", status.INVALID_SYSTEM_ID),
    ],
)
async def test_a_wrong_bind_is_refused(system_id: str, password: str, code: int) -> None:
    async with smsc(system_id="siaran", password="secret") as there:
        with pytest.raises(BindFailed) as caught:
            async with there.esme(system_id=system_id, password=password):
                pytest.fail("it is not bound")
        assert caught.value.status == code
        async with there.esme():
            pass
    assert (there.counters.binds, there.counters.binds_refused) == (1, 1)


# ---- submits ----------------------------------------------------------------------------------


@pytest.mark.trio
async def test_a_submit_is_answered_and_its_receipt_follows() -> None:
    """In this order; the receipt has the id of the answer, in text and TLVs."""
    async with smsc() as there, there.esme() as esme:
        await esme.send("Halo")
        [(token, code, message_id)] = await esme.answers(1)
        [delivery] = await esme.deliveries(1)
        [found] = receipts([delivery])
        assert (token, code) == ("Halo", status.OK)
        assert esme.order == ["answer", "delivery"]
        assert found.id == message_id
        assert (found.state, found.final) == (ReceiptState.DELIVERED, True)
        assert (delivery.source, delivery.destination) == (ALICE, "3774")
        assert (delivery.source_ton, delivery.dest_ton) == (1, 3)
        assert tlv.c_string(delivery.tlvs[tlv.RECEIPTED_MESSAGE_ID]) == message_id
        assert delivery.short_message.startswith(f"id:{message_id} ".encode())
        await esme.session.unbind()
        await esme.end()
    counted = there.counters
    assert (counted.submits, counted.accepted, counted.refused) == (1, 1, 0)
    assert (counted.receipts_sent, counted.receipts_acked) == (1, 1)


@pytest.mark.trio
async def test_ids_differ_and_repeats_are_counted() -> None:
    """A repeat is a destination and text that had been taken before."""
    async with smsc(receipt_after_ms=None) as there, there.esme() as esme:
        await esme.send("a", "b", "a")
        await esme.send("a", to="64219999999")
        ids = [message_id for _, _, message_id in await esme.answers(4)]
        assert len(set(ids)) == 4
    counted = there.counters
    assert (counted.accepted, counted.repeats, counted.unique_destinations) == (4, 1, 2)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("form", "in_text", "in_tlv"),
    [("text", True, False), ("tlv", False, True), ("text+tlv", True, True)],
)
async def test_a_receipt_has_the_form_that_is_asked_for(
    form: str, in_text: bool, in_tlv: bool
) -> None:
    async with smsc(receipt_form=form, receipt_state=ReceiptState.EXPIRED) as there:
        async with there.esme() as esme:
            await esme.send("Halo")
            [(_, _, message_id)] = await esme.answers(1)
            [delivery] = await esme.deliveries(1)
        assert delivery.esm_class == 0x04
        assert bool(delivery.short_message) is in_text
        assert (tlv.MESSAGE_STATE in delivery.tlvs) is in_tlv
        [found] = receipts([delivery])
        assert (found.id, found.state) == (message_id, ReceiptState.EXPIRED)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("registered", "state", "comes"),
    [
        (0, ReceiptState.DELIVERED, False),
        (1, ReceiptState.DELIVERED, True),
        (2, ReceiptState.DELIVERED, False),
        (2, ReceiptState.REJECTED, True),
        (0, ReceiptState.REJECTED, False),
    ],
)
async def test_a_receipt_comes_to_who_wants_it(
    registered: int, state: ReceiptState, comes: bool
) -> None:
    """registered_delivery 0, 1, 2 (SMPP 3.4 §5.2.17)."""
    async with smsc(receipt_state=state) as there, there.esme() as esme:
        await esme.send("first", registered=registered)
        await esme.send("last")  # whose receipt comes in any case that is tested, or marks the end
        await esme.answers(2)
        await esme.deliveries(2 if comes else 1)
        assert there.counters.receipts_sent == (2 if comes else 1)


@pytest.mark.trio
async def test_no_receipts_at_all() -> None:
    async with smsc(receipt_after_ms=None) as there, there.esme() as esme:
        await esme.send("Halo")
        await esme.answers(1)
        await esme.session.unbind()
        await esme.end()
        assert esme.messages == []
    assert there.counters.receipts_sent == 0


@pytest.mark.trio
async def test_answers_and_receipts_take_their_time() -> None:
    """latency_ms to the response, receipt_after_ms from there; none waits for another's."""
    async with smsc(latency_ms=60, receipt_after_ms=40) as there, there.esme() as esme:
        began = trio.current_time()
        await esme.send("a", "b", "c")
        await esme.answers(3)
        answered = trio.current_time() - began
        await esme.deliveries(3)
        delivered = trio.current_time() - began
    assert answered >= 0.06
    assert delivered >= 0.1
    assert esme.order == ["answer"] * 3 + ["delivery"] * 3


@pytest.mark.trio
async def test_errors_and_throttling_by_the_percentage() -> None:
    """What is refused has no id, no receipt, and is not counted as accepted."""
    async with smsc(error_pct=30, error_status=0x0B, throttle_pct=30) as there:
        async with there.esme() as esme:
            await esme.send(*(f"{n}" for n in range(1000)))
            answers = await esme.answers(1000)
            by_code = {code: [id_ for _, c, id_ in answers if c == code] for _, code, _ in answers}
            assert set(by_code) == {status.OK, 0x0B, status.THROTTLED}
            assert all(220 < len(ids) < 380 or code == status.OK for code, ids in by_code.items())
            assert set(by_code[0x0B] + by_code[status.THROTTLED]) == {None}
            await esme.deliveries(len(by_code[status.OK]))
        counted = there.counters
    assert counted.accepted == len(by_code[status.OK]) == counted.receipts_sent
    assert counted.refused == len(by_code[0x0B])
    assert counted.throttled == len(by_code[status.THROTTLED])


@pytest.mark.trio
async def test_all_may_be_refused_or_throttled() -> None:
    for options, code in (
        ({"error_pct": 100.0}, status.SYSTEM_ERROR),
        ({"throttle_pct": 100.0}, status.THROTTLED),
    ):
        async with smsc(**options) as there, there.esme() as esme:
            await esme.send("a", "b")
            assert [answer[1:] for answer in await esme.answers(2)] == [(code, None)] * 2


@pytest.mark.trio
async def test_more_than_its_window_is_throttled() -> None:
    """R-5.3: as carriers do; answered ones free it again, and each bind has its own."""
    async with (
        smsc(window=3, latency_ms=20, receipt_after_ms=None) as there,
        there.esme() as esme,
        there.esme() as other,
    ):
        await esme.send(*"abcde")
        await other.send(*"abc")
        answers = await esme.answers(5)
        assert [code for _, code, _ in answers] == [status.OK] * 3 + [status.THROTTLED] * 2
        assert {code for _, code, _ in await other.answers(3)} == {status.OK}
        await esme.send(*"fgh")
        assert {code for _, code, _ in (await esme.answers(8))[5:]} == {status.OK}


@pytest.mark.trio
async def test_the_connection_is_cut_at_each_nth_submit() -> None:
    """It took that one, but its response and those before it in the read are lost (R-8.2)."""
    async with smsc(drop_every=3, receipt_after_ms=None) as there:
        for round_ in (1, 2):
            async with there.esme() as esme:
                await esme.send("a", "b")
                await esme.answers(2)
                await esme.send("c", "never seen")
                assert not (await esme.end()).clean
                assert esme.session.abandon() == ["c", "never seen"]
            assert there.counters.drops == round_
            assert there.counters.accepted == 3 * round_


# ---- what is owed to a system_id ---------------------------------------------------------------


@pytest.mark.trio
async def test_receipts_go_to_a_bind_that_receives() -> None:
    """A transmitter gets none; a receiver of the same system_id does, of another does not."""
    async with (
        smsc() as there,
        there.esme(Mode.TRANSMITTER) as sends,
        there.esme(Mode.RECEIVER, system_id="other") as stranger,
        there.esme(Mode.RECEIVER) as receives,
    ):
        await sends.send("Halo")
        [(_, _, message_id)] = await sends.answers(1)
        [found] = receipts(await receives.deliveries(1))
        assert found.id == message_id
        for other in (sends, stranger):
            await other.session.unbind()
            await other.end()
            assert other.messages == []


@pytest.mark.trio
async def test_receipts_wait_for_the_next_bind_that_receives() -> None:
    """R-8.3: those of a fallen connection, answered or not, come again."""
    async with smsc() as there:
        async with there.esme(Mode.TRANSMITTER) as esme:
            await esme.send("a", "b", "c")
            ids = {message_id for _, _, message_id in await esme.answers(3)}
        async with there.esme() as esme:  # which takes one and falls before it answers the others
            while not esme.messages:
                await esme._read()
            first = esme.messages[0]
            await esme.deliveries(1)
            await esme.session.request(QuerySm(message_id="1", source=US))  # so that was heard
        [taken] = receipts([first])
        async with there.esme() as esme:
            again = receipts(await esme.deliveries(2))
            assert {taken.id, *(one.id for one in again)} == ids
            await esme.session.unbind()
            await esme.end()
            assert esme.messages == []
    assert there.counters.receipts_acked == 3


@pytest.mark.trio
@pytest.mark.parametrize("code", [status.TEMPORARY, status.QUEUE_FULL, status.THROTTLED])
async def test_what_is_refused_for_the_moment_comes_again(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-5.10: ESME_RX_T_APPN is what we answer when our database is down."""
    monkeypatch.setattr(simulator, "_AGAIN_S", 0.02)
    async with smsc() as there, there.esme() as esme:
        await esme.send("Halo")
        first = receipts(await esme.deliveries(1, code))
        again = receipts(await esme.deliveries(1, code))
        assert receipts(await esme.deliveries(1)) == again == first
        await esme.session.unbind()
        await esme.end()
    counted = there.counters
    assert (counted.receipts_sent, counted.receipts_acked) == (3, 1)
    assert counted.deliveries_refused == 0


@pytest.mark.trio
async def test_what_is_refused_for_good_does_not() -> None:
    async with smsc() as there, there.esme() as esme:
        await esme.send("Halo")
        await esme.deliveries(1, status.SYSTEM_ERROR)
        await esme.session.unbind()
        await esme.end()
        assert esme.messages == []
    assert there.counters.deliveries_refused == 1


@pytest.mark.trio
async def test_it_keeps_to_its_own_window_of_deliveries() -> None:
    """No more than so many without a response, however many are owed."""
    async with smsc(deliver_window=4) as there, there.esme(Mode.TRANSMITTER) as sends:
        for texts in ("abc", "def", "g"):
            await sends.send(*texts)
        await sends.answers(7)
        async with there.esme() as esme:
            for left in (4, 3):
                while len(esme.messages) < left:
                    await esme._read()
                await esme.session.request(QuerySm(message_id="1", source=US))  # and that is all
                assert len(esme.messages) == left
                await esme.deliveries(left)


# ---- subscribers --------------------------------------------------------------------------------


@pytest.mark.trio
async def test_subscribers_write_back() -> None:
    """By the first rule that fits; a long reply comes in parts."""
    long = "so long " * 30
    rules = (
        Rule(pattern=pattern("(?i)yes or no"), text="YES", delay_ms=30),
        Rule(pattern=pattern("yes"), text="never"),
        Rule(pattern=pattern("tell"), text=long),
        Rule(pattern=pattern("never"), text="never", share=0.0),
    )
    async with smsc(replies=rules, receipt_after_ms=None) as there, there.esme() as esme:
        began = trio.current_time()
        await esme.send("Yes or no?")
        [reply] = await esme.deliveries(1)
        assert trio.current_time() - began >= 0.03
        assert (reply.source, reply.destination) == (ALICE, "3774")
        assert (reply.short_message, reply.esm_class) == (b"YES", 0)
        await esme.send("never", "nothing", "tell me")
        parts = await esme.deliveries(2)
        assert [part.esm_class for part in parts] == [0x40, 0x40]
        assert b"".join(part.short_message[6:] for part in parts).decode() == long
        await esme.session.unbind()
        await esme.end()
        assert esme.messages == []
    assert (there.counters.replies_sent, there.counters.replies_acked) == (3, 3)


@pytest.mark.trio
async def test_a_share_of_them_does() -> None:
    rules = (Rule(pattern=pattern(""), text="STOP", share=0.25),)
    async with smsc(replies=rules, receipt_after_ms=None) as there, there.esme() as esme:
        await esme.send(*(str(n) for n in range(1000)))
        await esme.answers(1000)
        await esme.session.request(QuerySm(message_id="1", source=US))
        assert 190 < there.counters.replies_sent < 310


# ---- record -------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_it_writes_down_what_came(tmp_path: Path) -> None:
    """A line each, before it is answered; null as id for what was not taken; added to the file."""
    path = tmp_path / "received.jsonl"
    path.write_text("what was there\n")
    async with smsc(record=path, window=2, latency_ms=20) as there, there.esme() as esme:
        await esme.send("one", "two", "three")
        answers = await esme.answers(3)
        first, *lines = path.read_text("utf-8").splitlines()
    assert first == "what was there"
    written = [json.loads(line) for line in lines]
    assert [(line["text"], line["id"]) for line in written] == [
        (token, message_id) for token, _, message_id in answers
    ]
    assert [line["id"] is None for line in written] == [False, False, True]
    assert written[0] == {
        "at": "2026-11-03T09:10:00.123456+00:00",
        "bind": "siaran",
        "source": "3774",
        "destination": ALICE,
        "data_coding": 0,
        "esm_class": 0,
        "text": "one",
        "ref": None,
        "part": None,
        "total": None,
        "id": answers[0][2],
    }


@pytest.mark.trio
async def test_a_record_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    """`OSError`, before anybody can connect."""
    with pytest.raises(OSError, match="Is a directory"):
        await simulator.serve(Options(port=0, record=tmp_path), utc_now=lambda: NOW)


# ---- questions ----------------------------------------------------------------------------------


@pytest.mark.trio
async def test_it_answers_questions() -> None:
    """R-5.11: all messages have their final state at once, so none can be cancelled."""
    async with smsc(receipt_state=ReceiptState.REJECTED) as there, there.esme() as esme:
        await esme.send("Halo")
        [(_, _, message_id)] = await esme.answers(1)
        assert message_id is not None
        found: Any = await esme.session.request(QuerySm(message_id=message_id, source=US))
        assert (found.status, found.message_id, found.message_state) == (0, message_id, 8)
        for unknown in (str(int(message_id) + 1), "0", "abc", "²"):
            query = QuerySm(message_id=unknown, source=US)
            found = await esme.session.request(query)
            assert found.status == status.QUERY_FAILED, unknown
        cancel = CancelSm(message_id=message_id, source=US, destination=Address(1, 1, ALICE))
        answer = await esme.session.request(cancel)
        assert answer.status == status.CANCEL_FAILED


@pytest.mark.trio
async def test_what_it_does_not_support_is_refused_and_the_session_stays() -> None:
    async with smsc() as there:
        far = await there.raw()
        async with far.stream:
            await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()))
            await far.hear()
            for command in (C.REPLACE_SM, C.SUBMIT_MULTI):
                await far.say(pdu(command, 0, 7))
                assert await far.hear() == Pdu(command | 0x80000000, status.INVALID_COMMAND, 7)
            await far.say(pdu(0x77, 0, 8))
            assert await far.hear() == Pdu(C.GENERIC_NACK, status.INVALID_COMMAND, 8)
            await far.say(pdu(C.BIND_RECEIVER, 0, 9, bind_body()))
            assert await far.hear() == Pdu(C.BIND_RECEIVER_RESP, status.ALREADY_BOUND, 9)
            await far.say(pdu(C.ENQUIRE_LINK, 0, 10))
            assert await far.hear() == Pdu(C.ENQUIRE_LINK_RESP, 0, 10)


# ---- garbage ------------------------------------------------------------------------------------

NACKED = Pdu(C.GENERIC_NACK, status.INVALID_COMMAND_LENGTH, 0)


@pytest.mark.trio
@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize(
    "noise",
    [
        b"\0\0\0\4",
        b"\x7f\xff\xff\xff",
        b"GET / HTTP/1.1\r\nHost: smsc\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xa5" * 200,
    ],
)
async def test_garbage_is_nacked_and_cut_and_others_are_served(noise: bytes, bound: bool) -> None:
    async with smsc() as there:
        far = await there.raw()
        async with far.stream:
            if bound:
                await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()))
                await far.hear()
            await far.say(noise)
            assert await far.hear_all() == [NACKED]
        await there.serves_others()


@pytest.mark.trio
async def test_whoever_hangs_on_the_line_holds_nobody_up() -> None:
    """Silence, half a PDU, a bind that breaks off: many at a time, for as long as they like."""
    async with smsc() as there, trio.open_nursery() as nursery:
        held = [await there.raw() for _ in range(30)]
        for n, far in enumerate(held):
            await far.say((b"", b"\0", pdu(C.BIND_TRANSCEIVER, body=bind_body())[:-1])[n % 3])
        await there.serves_others()
        for far in held:
            nursery.start_soon(far.stream.aclose)
        await there.serves_others()


@pytest.mark.trio
@pytest.mark.parametrize("said", [b"", pdu(C.BIND_TRANSCEIVER, body=bind_body()), b"\0\0\0\4"])
async def test_a_reset_is_the_end_of_that_connection_only(said: bytes) -> None:
    async with smsc() as there:
        for _ in range(20):
            far = await there.raw()
            assert isinstance(far.stream, trio.SocketStream)
            if said:
                await far.say(said)
            far.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await far.stream.aclose()
        await there.serves_others()


@pytest.mark.trio
async def test_who_submits_and_resets_at_once_does_no_harm() -> None:
    """While answers, receipts and replies are being written to it."""
    rules = (Rule(pattern=pattern(""), text="YES"),)
    async with smsc(replies=rules) as there:
        for _ in range(20):
            far = await there.raw()
            assert isinstance(far.stream, trio.SocketStream)
            submits = b"".join(pdu(C.SUBMIT_SM, 0, n, HALO) for n in range(2, 60))
            await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()), submits)
            await far.hear()
            far.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await far.stream.aclose()
        await there.serves_others()


@pytest.mark.trio
async def test_a_connection_that_breaks_under_a_write_is_left(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another waits to write: that is no end of the simulator."""
    near, far = streams()
    taken, writes = trio.Event(), 0

    async def write() -> None:
        nonlocal writes
        writes += 1
        if writes > 1:  # all but the bind's response
            await taken.wait()
            raise trio.BrokenResourceError

    async def serve(handler: Handler, *_: Any, **__: Any) -> None:
        await handler(near)

    monkeypatch.setattr(transport, "serve", serve)
    takes(near, write)
    counters = Counters()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                simulator.serve,
                Options(latency_ms=1000),
                utc_now=lambda: NOW,
                counters=counters,
            )
        )
        await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()))
        assert await far.hear() is not None
        await far.say(pdu(C.SUBMIT_SM, 0, 2, HALO))
        await trio.testing.wait_all_tasks_blocked()
        await far.say(pdu(C.ENQUIRE_LINK, 0, 3))
        await trio.sleep(2)  # the enquire_link's answer is being written, the submit's is due
        taken.set()
    assert counters.accepted == 1


@pytest.mark.trio
async def test_strange_messages_are_taken_and_written_down(tmp_path: Path) -> None:
    """Any coding, any user data header, half a surrogate: what can't be read is a sign in the record."""
    path = tmp_path / "received.jsonl"
    strange = [
        (esm_class, coding, octets)
        for esm_class in (0, 0x40, 0xFF)
        for coding in (0, 1, 2, 8, 0xFF)
        for octets in (
            b"",
            b"\xff",
            b"\xd8\x3d",
            b"\x05\x00\x03\x01",
            b"\0",
            b"\x1b",
            b"\xff" * 140,
        )
    ]
    rules = (Rule(pattern=pattern(""), text="what?"),)
    async with smsc(record=path, replies=rules) as there, there.esme() as esme:
        template = SubmitTemplate(US, 1, 1)
        await esme.session.submit(
            [(n, template.body(ALICE, *one)) for n, one in enumerate(strange)]
        )
        answers = await esme.answers(len(strange))
        assert {code for _, code, _ in answers} == {status.OK}
        await esme.deliveries(2 * len(strange))
        lines = path.read_text("utf-8").splitlines()
    assert len([json.loads(line) for line in lines]) == len(strange)


@pytest.mark.trio
async def test_a_long_address_and_a_message_payload_come_back() -> None:
    """What an ESME may not do, but does: the receipt goes where the message came from."""
    async with smsc() as there:
        far = await there.raw()
        async with far.stream:
            await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()))
            await far.hear()
            long = b"9" * 60
            body = b"\0\0\0" + long + b"\0\0\0" + long + b"\0\0\0\0\0\0\1\0\0\0\0"
            payload = tlv.build(tlv.MESSAGE_PAYLOAD, b"x" * 60_000)
            await far.say(pdu(C.SUBMIT_SM, 0, 2, body + payload))
            answer, found = await far.hear(), await far.hear()
            assert answer is not None
            assert found is not None
            assert (answer.command, answer.status) == (C.SUBMIT_SM_RESP, status.OK)
            assert found.command == C.DELIVER_SM
            assert found.body.count(long) == 2
        await there.serves_others()


def test_options_that_make_no_sense_are_refused() -> None:
    """With the name of the option and what it may be."""
    for name, value in (
        ("error_pct", -1),
        ("error_pct", 101),
        ("error_pct", float("nan")),
        ("throttle_pct", 100.5),
        ("latency_ms", -1),
        ("latency_ms", float("nan")),
        ("latency_ms", float("inf")),
        ("receipt_after_ms", -0.1),
        ("receipt_after_ms", float("nan")),
        ("drop_every", 0),
        ("window", 0),
        ("deliver_window", 0),
    ):
        with pytest.raises(ValueError, match=name):
            Options(**{name: value})  # type: ignore[arg-type]
    assert "secret" not in repr(Options(password="secret"))
