"""Faults, limits and habits of carriers, on demand (R-5.12): what a gateway has to live with.

Said octet by octet where our own session would hide it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from re import compile as pattern
from typing import Any, get_args

import pytest
import trio

from smpp import receipt, recording, segments, status, tlv
from smpp.codec import SubmitTemplate
from smpp.options import Options
from smpp.pdu import Command
from smpp.segments import Method, Profile
from smpp.smsc import Counters, Smsc
from smpp.subscribers import Coding, Rule, RulesError, read_rules
from smpp.traffic import parse_short_message
from tests.protocol.far import Far
from tests.protocol.test_simulator import ALICE, US, Simulator, receipts, smsc
from tests.protocol.wire import HALO, Pdu, bind_body, pdu

C = Command
STATE = tlv.CONGESTION_STATE


class Lab:
    """A simulator, and the connections to it that a test has opened."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.counters = simulator.counters
        self._fars: list[Far] = []

    async def raw(self) -> Far:
        """A connection on which nothing has been said."""
        far = await self.simulator.raw()
        self._fars.append(far)
        return far

    async def bound(self, system_id: str = "siaran") -> Far:
        """One on which a bind was accepted."""
        far = await self.raw()
        await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body(system_id)))
        assert (await heard(far)).status == status.OK
        return far

    async def close(self) -> None:
        for far in self._fars:
            await trio.aclose_forcefully(far.stream)


@asynccontextmanager
async def lab(**options: Any) -> AsyncIterator[Lab]:
    async with smsc(**options) as simulator:
        made = Lab(simulator)
        try:
            yield made
        finally:
            await made.close()


async def heard(far: Far) -> Pdu:
    found = await far.hear()
    assert found is not None, "the connection has ended"
    return found


def submit(sequence: int, body: bytes = HALO) -> bytes:
    return pdu(C.SUBMIT_SM, sequence=sequence, body=body)


def parts_of(text: str, profile: Profile) -> list[bytes]:
    """The submit_sm bodies of a text, cut by a carrier's profile; receipts are wanted."""
    template = SubmitTemplate(US, 1, 1)
    return [
        template.body(ALICE, part.esm_class, part.data_coding, part.octets, part.tlvs)
        for part in segments.split(text, None, reference=77, profile=profile)
    ]


# ---- binds ------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_it_refuses_binds_for_ever_or_so_often() -> None:
    async with lab(refuse_binds=status.ALREADY_BOUND, refuse_first=2) as simulator:
        answers = []
        for _ in range(3):
            far = await simulator.raw()
            await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()))
            answers.append((await heard(far)).status)
        assert answers == [status.ALREADY_BOUND, status.ALREADY_BOUND, status.OK]
        assert (simulator.counters.binds, simulator.counters.binds_refused) == (1, 2)
    async with lab(refuse_binds=status.INVALID_PASSWORD) as simulator:
        for _ in range(3):
            far = await simulator.raw()
            await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()))
            assert (await heard(far)).status == status.INVALID_PASSWORD


@pytest.mark.trio
async def test_it_accepts_and_never_answers_a_bind() -> None:
    async with lab(silent_bind=True) as simulator:
        far = await simulator.raw()
        await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()), pdu(C.ENQUIRE_LINK, sequence=2))
        assert (await heard(far)).command == C.ENQUIRE_LINK_RESP


@pytest.mark.trio
@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("same", b"siaran-smsc\0" + tlv.build(tlv.SC_INTERFACE_VERSION, b"\x34")),
        ("5.0", b"siaran-smsc\0" + tlv.build(tlv.SC_INTERFACE_VERSION, b"\x50")),
        ("3.3", b"siaran-smsc\0"),
    ],
)
async def test_it_says_what_it_speaks(version: str, body: bytes) -> None:
    """R-5.1: peers of 3.3 and 5.0."""
    async with lab(smpp_version=version) as simulator:
        far = await simulator.raw()
        await far.say(pdu(C.BIND_TRANSCEIVER, body=bind_body()))
        assert (await heard(far)).body == body


@pytest.mark.trio
async def test_one_of_the_old_version_knows_no_parameters() -> None:
    """It refuses a submit_sm with one, and sends receipts without."""
    long = parts_of("a" * 200, Profile(method="sar"))
    async with lab(smpp_version="3.3") as simulator:
        far = await simulator.bound()
        await far.say(submit(1, long[0]), submit(2, parts_of("Halo", Profile())[0]))
        assert [(await heard(far)).status for _ in range(2)] == [status.INVALID_COMMAND_LENGTH, 0]
        delivered = await heard(far)
        message = parse_short_message(C.DELIVER_SM, 0, delivered.body, 0, len(delivered.body))
        assert message.tlvs == {}
        assert message.short_message.startswith(b"id:")


# ---- responses --------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("over", [status.THROTTLED, status.QUEUE_FULL])
async def test_a_rate_with_its_burst(over: int) -> None:
    """Of all binds together; above it ESME_RTHROTTLED or ESME_RMSGQFUL."""
    async with lab(rate=0.001, burst=5, over_status=over) as simulator:
        found = Counter[int]()
        for name in ("one", "two"):
            far = await simulator.bound(name)
            await far.say(*(submit(n) for n in range(1, 5)))
            found.update([(await heard(far)).status for _ in range(4)])
        assert found == {status.OK: 5, over: 3}


@pytest.mark.parametrize(("rate", "burst", "taken"), [(500.0, None, 1000), (500.0, 10, 510)])
def test_a_rate_over_time(rate: float, burst: int | None, taken: int) -> None:
    """A second's worth at once where nothing else is said, and then so many a second."""
    one = Smsc(Options(rate=rate, burst=burst, seed=1), Counters())
    message = parse_short_message(C.SUBMIT_SM, 1, HALO, 0, len(HALO))
    times = [5.0 + n / 4000 for n in range(4001)]
    assert [one.verdict(message, 0, now) for now in times].count(status.OK) == taken


@pytest.mark.trio
async def test_a_share_of_each_status() -> None:
    """A bad day of every kind: each status in its proportion, the same for the same seed."""
    wrong = {0x0B: 20.0, 0x45: 10.0, 0x401: 5.0}
    options: dict[str, Any] = {"errors": tuple(wrong.items()), "throttle_pct": 15.0}
    async with lab(**options) as simulator:
        far = await simulator.bound()
        await far.say(*(submit(n) for n in range(1, 1001)))
        found = Counter([(await heard(far)).status for _ in range(1000)])
        assert set(found) == {0, 0x58, *wrong}
        for number, share in {**wrong, status.THROTTLED: 15.0, 0: 50.0}.items():
            assert abs(found[number] - share * 10) < 40


@pytest.mark.trio
async def test_an_error_has_no_body_unless_it_is_asked_for() -> None:
    for options, body in (({}, b""), ({"error_body": True}, b"\0")):
        async with lab(error_pct=100.0, **options) as simulator:
            far = await simulator.bound()
            await far.say(submit(1))
            assert (await heard(far)).body == body


@pytest.mark.trio
async def test_an_answer_without_an_id_and_one_under_another_number() -> None:
    async with lab(no_id_pct=100.0, receipt_after_ms=None) as simulator:
        far = await simulator.bound()
        await far.say(submit(1))
        assert await heard(far) == Pdu(C.SUBMIT_SM_RESP, 0, 1)
        assert simulator.counters.accepted == 1
    async with lab(wrong_sequence_pct=100.0, receipt_after_ms=None) as simulator:
        far = await simulator.bound()
        await far.say(submit(1))
        answer = await heard(far)
        assert (answer.command, answer.status) == (C.SUBMIT_SM_RESP, 0)
        assert answer.sequence > 1000


@pytest.mark.trio
async def test_one_that_is_never_answered_was_taken_all_the_same() -> None:
    """R-8.2: its receipt tells."""
    async with smsc(silent_pct=100.0) as simulator, simulator.esme() as esme:
        await esme.send("Halo")
        [told] = receipts(await esme.deliveries(1))
        assert told.state is receipt.ReceiptState.DELIVERED
        assert esme.answered == []


@pytest.mark.trio
async def test_congestion_is_said_in_each_response_good_or_bad() -> None:
    async with lab(congestion=95, error_pct=50.0, receipt_after_ms=None) as simulator:
        far = await simulator.bound()
        await far.say(*(submit(n) for n in range(1, 21)))
        answers = [await heard(far) for _ in range(20)]
        assert {answer.status for answer in answers} == {0, status.SYSTEM_ERROR}
        for answer in answers:
            found = tlv.parse(answer.body, answer.body.index(b"\0") + 1)
            assert found == {STATE: b"\x5f"}


@pytest.mark.trio
async def test_a_connection_that_stalls_stays_open_and_says_nothing() -> None:
    async with lab(stall_after=2) as simulator:
        far = await simulator.bound()
        await far.say(submit(1))
        assert (await heard(far)).sequence == 1
        assert (await heard(far)).command == C.DELIVER_SM
        await far.say(submit(2), submit(3))
        while simulator.counters.submits < 3:
            await trio.lowlevel.checkpoint()
        await far.say(pdu(C.ENQUIRE_LINK, sequence=4))
        with trio.move_on_after(0.2) as waited:
            await far.hear()
        assert waited.cancelled_caught
        await simulator.simulator.serves_others()


# ---- receipts ---------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("habit", ["same", "hex", "decimal", "stripped"])
async def test_ids_come_back_as_carriers_write_them(habit: str) -> None:
    """R-5.8: one of the candidates of the receipt's id is the response's."""
    async with smsc(receipt_ids=habit) as simulator, simulator.esme() as esme:
        await esme.send("Halo")
        [(_, _, answered)] = await esme.answers(1)
        [told] = receipts(await esme.deliveries(1))
        assert answered is not None
        assert (told.ids[0] == answered) is (habit == "same")
        ways = {way for one in told.ids for way in receipt.candidates(one)}
        assert ways & {answered, *receipt.candidates(answered)}


@pytest.mark.trio
async def test_a_receipt_before_its_response() -> None:
    """In a read of its own, since a session sorts what comes in one."""
    async with smsc(receipt_first=True) as simulator, simulator.esme() as esme:
        await esme.send("Halo")
        await esme.answers(1)
        await esme.deliveries(1)
        assert esme.order == ["delivery", "answer"]


@pytest.mark.trio
async def test_receipts_again_and_on_the_way() -> None:
    async with smsc(duplicates=2, intermediate=True) as simulator, simulator.esme() as esme:
        await esme.send("Halo")
        messages = await esme.deliveries(4)
        assert [one.esm_class for one in messages] == [0x20, 0x04, 0x04, 0x04]
        told = receipts(messages)
        assert [one.state.value for one in told] == ["enroute", *["delivered"] * 3]
        assert len({one.ids for one in told}) == 1


@pytest.mark.trio
@pytest.mark.parametrize("method", ["udh8", "udh16", "sar"])
async def test_one_receipt_for_a_whole_message(method: Method) -> None:
    """About the segment that came first, when all are there."""
    bodies = parts_of("a" * 400, Profile(method=method))
    async with lab(receipts_per="message") as simulator:
        far = await simulator.bound()
        await far.say(submit(1, bodies[1]), submit(2, bodies[2]))
        first = (await heard(far)).body
        await heard(far)
        await far.say(submit(3, bodies[0]), submit(4, parts_of("Halo", Profile())[0]))
        found = [await heard(far) for _ in range(4)]
        assert [one.command for one in found] == [C.SUBMIT_SM_RESP] * 2 + [C.DELIVER_SM] * 2
        assert first.removesuffix(b"\0") in found[2].body


# ---- what it was sent -------------------------------------------------------------------------


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize(
    ("alphabet", "text"),
    [
        ("gsm", "{Halo} @ é €" * 20),
        ("latin1", "Grüße und Küsse, à bientôt. " * 10),
        ("ascii", "plain [text] " * 20),
        ("gsm", "şehir ğ ısı" * 30),
        ("gsm", "да 👍" * 60),
    ],
)
def test_the_record_has_the_text_however_it_was_carried(
    method: Method, alphabet: str, text: str
) -> None:
    profile = Profile(
        alphabet=alphabet,  # type: ignore[arg-type]
        method=method,
        languages=tuple(segments.Language),
    )
    texts, places = [], []
    for body in parts_of(text, profile):
        message = parse_short_message(C.SUBMIT_SM, 1, body, 0, len(body))
        found, part = recording.read(message, profile.alphabet)
        texts.append(found)
        places.append(part and (part.reference, part.part, part.total))
    assert "".join(texts) == text
    whole = (
        [None] if method == "payload" else [(77, n, len(texts)) for n in range(1, len(texts) + 1)]
    )
    assert places == whole


# ---- what subscribers write back --------------------------------------------------------------


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("coding", [None, *get_args(Coding)])
def test_a_reply_in_any_coding_by_any_method(coding: Coding | None, method: Method) -> None:
    """R-5.9: what inbound has to put together."""
    text = "Ja, gerne! " * 40
    rule = Rule(pattern=pattern("x"), text=text, coding=coding, method=method)
    parts = rule.segments(9)
    data_coding = {None: 0, "gsm": 0, "ascii": 1, "latin1": 3, "binary": 4, "ucs2": 8}[coding]
    assert {part.data_coding for part in parts} == {data_coding}
    assert (len(parts) == 1) is (method == "payload")
    backwards = Rule(pattern=pattern("x"), text=text, coding=coding, method=method, backwards=True)
    assert backwards.segments(9) == parts[::-1]


@pytest.mark.trio
async def test_a_long_reply_arrives_as_it_is_said() -> None:
    rule = Rule(pattern=pattern("Halo"), text="я" * 100, method="sar", backwards=True)
    async with (
        smsc(replies=(rule,), receipt_after_ms=None) as simulator,
        simulator.esme() as esme,
    ):
        await esme.send("Halo")
        last, first = await esme.deliveries(2)
        assert [one.tlvs[tlv.SAR_SEGMENT_SEQNUM] for one in (last, first)] == [b"\2", b"\1"]
        assert (first.octets + last.octets).decode("utf-16-be") == "я" * 100


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('coding = "klingon"', "coding is 'klingon'; there are gsm, latin1"),
        ('method = "udh"', "method is 'udh'; there are udh8, udh16, sar, payload"),
        ("backwards = 1", "backwards has a value of the wrong type: 1"),
        ("share = true", "share has a value of the wrong type: True"),
        ('coding = "ascii"', "not in the ASCII alphabet: 'é'"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_named(more: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "replies.toml"
    path.write_text(f'[[reply]]\npattern = "a"\ntext = "é"\n{more}\n')
    with pytest.raises(RulesError) as raised:
        read_rules(path)
    assert str(raised.value).startswith(f"{path}: reply 1: ")
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"silent_pct": 101.0}, "silent_pct is 101; it must be 0 to 100"),
        ({"error_pct": 60.0, "no_id_pct": 50.0}, "the percentages add up to 110"),
        ({"errors": ((0, 1.0),)}, "errors has 0x0 with 1 %"),
        ({"rate": 0.0}, "rate is 0; it must be more than 0"),
        ({"burst": 0}, "burst is 0; it must be at least 1"),
        ({"congestion": 101}, "congestion is 101; it must be 0 to 100"),
        ({"duplicates": -1}, "can't be negative"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Options(**options)
