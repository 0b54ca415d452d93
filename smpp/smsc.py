"""What a simulated SMSC decides: whom it lets in, what it takes, what it owes (R-5.12).

Pure: `simulator` brings octets and time to it. What is owed to a system_id (receipts, replies)
belongs to its account, not to a connection. All randomness comes from one seeded generator.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import Final

from smpp import codec, recording, status, subscribers, tlv
from smpp.options import Options
from smpp.pdu import RESPONSE, Bind, CancelSm, CancelSmResp, QuerySm, QuerySmResp, Submit
from smpp.receipt import STATES
from smpp.receipting import Delivery, Receipting, in_responses

__all__ = ["Account", "Answer", "Counters", "Delivery", "Fault", "Options", "Smsc"]


@dataclass(slots=True)
class Counters:
    """What the SMSC has seen and done; read them at any time."""

    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    accepted: int = 0
    refused: int = 0
    throttled: int = 0
    unique_destinations: int = 0
    repeats: int = 0
    """Accepted submit_sm whose destination and text had been accepted before."""
    drops: int = 0
    receipts_sent: int = 0
    receipts_acked: int = 0
    replies_sent: int = 0
    replies_acked: int = 0
    deliveries_refused: int = 0

    def snapshot(self) -> dict[str, int]:
        """All of them by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


class Account:
    """What a system_id is owed, soonest first; shared by all its binds.

    One of those that have room waits for it: if all did, fifty would wake for each receipt.
    """

    def __init__(self) -> None:
        self._ready: dict[Callable[[], None], None] = {}
        self._order = itertools.count()
        self._owed: list[tuple[float, int, list[Delivery]]] = []

    def owe(self, deliveries: list[Delivery], due_at: float) -> None:
        """Deliver these from `due_at` on."""
        if deliveries:
            soonest = not self._owed or due_at < self._owed[0][0]
            heapq.heappush(self._owed, (due_at, next(self._order), deliveries))
            if soonest and (waits := self._waits()):
                waits()

    def ready(self, wake: Callable[[], None], *, room: bool) -> bool:
        """A bind says whether it has room; True: it is the one that waits for what comes due."""
        before = self._waits()
        if room:
            self._ready.setdefault(wake)
        else:
            self._ready.pop(wake, None)
        waits = self._waits()
        if waits is not None and waits not in (before, wake):
            waits()
        return waits == wake

    def _waits(self) -> Callable[[], None] | None:
        return next(iter(self._ready), None)

    def take_due(self, now: float, room: int) -> list[Delivery]:
        """At most `room` of what is due."""
        taken: list[Delivery] = []
        while self._owed and self._owed[0][0] <= now and len(taken) < room:
            due_at, order, deliveries = heapq.heappop(self._owed)
            fits = room - len(taken)
            taken += deliveries[:fits]
            if len(deliveries) > fits:
                heapq.heappush(self._owed, (due_at, order, deliveries[fits:]))
        return taken

    def next_due(self) -> float | None:
        """When the next one is due."""
        return self._owed[0][0] if self._owed else None


class Smsc:
    """The one SMSC behind all connections."""

    def __init__(self, options: Options, counters: Counters) -> None:
        self.options = options
        self.counters = counters
        self._rng = random.Random(options.seed)
        # Ids of a second run against the same database should not meet those of the first.
        self._first_id = self._rng.randrange(10**9, 10**12)
        self._accounts: dict[str, Account] = {}
        self._destinations: set[str] = set()
        self._seen: set[int] = set()
        self._receipting = Receipting(options)
        self.receipts = self._receipting.receipts
        self._limiter = None
        if options.rate is not None:
            self._limiter = _Limiter(options.rate, options.burst)
        self._faults = _faults(options)
        self._plain = not (self._faults or options.rate or options.window) and (
            options.smpp_version != "3.3"
        )
        self._strange = options.congestion is not None or options.error_body
        self._refusals = 0

    def admit(self, pdu: Bind) -> int | None:
        """The status that answers a bind; None: nothing answers it."""
        options = self.options
        if options.silent_bind:
            return None
        if options.refuse_binds and self._refusals != options.refuse_first:
            self._refusals += 1
            return options.refuse_binds
        if options.system_id not in (None, pdu.system_id):
            return status.INVALID_SYSTEM_ID
        if options.password not in (None, pdu.password):
            return status.INVALID_PASSWORD
        return status.OK

    def account(self, system_id: str) -> Account:
        """What that system_id is owed."""
        return self._accounts.setdefault(system_id, Account())

    def verdict(self, submit: Submit, unanswered: int, now: float) -> "int | Fault":
        """The status for one more submit_sm when so many have no response yet; 0 takes it.

        A fault takes it, too, and says what is wrong with its response.
        """
        if self._plain:
            return status.OK
        options = self.options
        if submit.tlvs and options.smpp_version == "3.3":
            return status.INVALID_COMMAND_LENGTH
        if options.window is not None and unanswered >= options.window:
            return status.THROTTLED
        if self._limiter is not None and not self._limiter.takes(now):
            return options.over_status
        if self._faults:
            chance = self._rng.random() * 100
            for share, fault in self._faults:
                chance -= share
                if chance < 0:
                    return fault
        return status.OK

    def accept(self, submit: Submit) -> str:
        """Take a message; its id."""
        counters = self.counters
        number, habit = self._first_id + counters.accepted, self.options.receipt_ids
        message_id = str(number) if habit == "same" else in_responses(number, habit)
        counters.accepted += 1
        self._destinations.add(submit.destination)
        counters.unique_destinations = len(self._destinations)
        key = hash((submit.destination, submit.octets))
        if key in self._seen:
            counters.repeats += 1
        self._seen.add(key)
        return message_id

    def responses(self, answers: "Sequence[Answer]", faults: "Mapping[int, Fault]") -> bytes:
        """The octets of the responses; `faults` says which of them are wrong, and how."""
        if not (faults or self._strange):
            return codec.submit_responses(answers)
        return b"".join(
            [self._response(*answer, faults.get(at)) for at, answer in enumerate(answers)]
        )

    def _response(
        self, command: int, sequence: int, refusal: int, message_id: str, fault: "Fault | None"
    ) -> bytes:
        options = self.options
        if fault is Fault.SILENT:
            return b""
        if fault is Fault.WRONG_SEQUENCE:
            sequence = (sequence + _FAR_OFF) & 0x7FFFFFFF
        body = b"" if fault is Fault.NO_ID else message_id.encode("ascii") + b"\0"
        if refusal and not options.error_body:
            body = b""
        if options.congestion is not None:
            body = (body or b"\0") + tlv.build(tlv.CONGESTION_STATE, bytes((options.congestion,)))
        return codec.pack_header(16 + len(body), command | RESPONSE, refusal, sequence) + body

    def replies(self, submit: Submit) -> tuple[list[Delivery], float] | None:
        """What the subscriber writes back, and after how many seconds."""
        text, _ = recording.read(submit, self.options.alphabet)
        rule = subscribers.choose(self.options.replies, text, self._rng)
        if rule is None:
            return None
        bodies = [
            codec.deliver_back(
                submit,
                esm_class=segment.esm_class,
                data_coding=segment.data_coding,
                short_message=segment.octets,
                tlvs=segment.tlvs,
            )
            for segment in rule.segments(self._rng.randrange(256))
        ]
        return [Delivery(body, is_receipt=False) for body in bodies], rule.delay_ms / 1000

    def answer(self, pdu: QuerySm | CancelSm) -> QuerySmResp | CancelSmResp:
        """All messages have their final state at once, so none can be cancelled."""
        if isinstance(pdu, CancelSm):
            return CancelSmResp(status=status.CANCEL_FAILED)
        if not self._is_ours(pdu.message_id):
            return QuerySmResp(status=status.QUERY_FAILED)
        state = STATES[self.options.receipt_state].message_state
        return QuerySmResp(status=status.OK, message_id=pdu.message_id, message_state=state)

    def _is_ours(self, message_id: str) -> bool:
        """Whether `accept` has given this id."""
        try:
            number = int(message_id, 16 if self.options.receipt_ids == "decimal" else 10)
        except ValueError:
            return False
        return 0 <= number - self._first_id < self.counters.accepted


class Fault(Enum):
    """What is wrong with the response to a message that was taken."""

    SILENT = auto()  # there is none
    NO_ID = auto()
    WRONG_SEQUENCE = auto()


Answer = tuple[int, int, int, str]
"""command and sequence of the request, status, message_id."""

_FAR_OFF: Final = 1_000_000
"""From the right sequence number to the wrong one: none that is outstanding."""


def _faults(options: Options) -> tuple[tuple[float, "int | Fault"], ...]:
    """What may happen to a submit_sm, with its share in percent."""
    possible: tuple[tuple[float, int | Fault], ...] = (
        (options.throttle_pct, status.THROTTLED),
        (options.error_pct, options.error_status),
        *((share, number) for number, share in options.errors),
        (options.silent_pct, Fault.SILENT),
        (options.no_id_pct, Fault.NO_ID),
        (options.wrong_sequence_pct, Fault.WRONG_SEQUENCE),
    )
    return tuple((share, fault) for share, fault in possible if share)


class _Limiter:
    """So many a second, and so many at once after a pause."""

    def __init__(self, rate: float, burst: int | None) -> None:
        self._rate = rate
        self._most = self._left = float(max(1, round(rate)) if burst is None else burst)
        self._at = 0.0

    def takes(self, now: float) -> bool:
        """Whether one more is within the limit."""
        self._left = min(self._left + (now - self._at) * self._rate, self._most)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
