"""Questions to an SMSC about one message: what became of it, and can it be taken back (R-5.11).

A person's command names the message; its segments are asked for one by one, each over a bind of the
carrier that took it. The answer is a sentence a segment. What an SMSC says to a question changes
nothing here: that is for receipts. What it takes back is cancelled, as its receipt would say.
"""

from dataclasses import dataclass
from typing import Final

import trio

from engine.domain.errors import Refused, Unreachable
from engine.gateway.binds import Bind
from engine.gateway.gateway import Gateway
from engine.store import messages
from engine.store.db import CommitUnknown
from engine.store.messages import Wire
from smpp import status as smpp_status
from smpp.pdu import Address, CancelSm, CancelSmResp, QuerySm, QuerySmResp
from smpp.receipt import STATES
from smpp.session import NoAnswer, SessionClosed

ANSWER_S: Final = 8.0
"""Whoever has asked waits no longer than 10 s."""
AGAIN_S: Final = 0.5

_WORDS: Final = {info.message_state: str(state) for state, info in STATES.items()}


@dataclass(frozen=True, slots=True)
class Asking:
    """The two verbs, for `Control`."""

    gateway: Gateway

    async def query(self, argument: str) -> str:
        """What the SMSCs say became of a message. Raises Refused when none can be asked."""
        wire = await self._wire(argument)
        lines: list[str] = []
        for segment, _, carrier_id, smsc_id in wire.parts:
            bind = self._bind(carrier_id)
            source = bind.plan.source(wire.sender, wire.ton, wire.npi)
            answer = await _asked(bind, QuerySm(message_id=smsc_id, source=source))
            lines.append(f"{_part(wire, segment)}{_said(bind, smsc_id, answer)}")
        return "; ".join(lines)

    async def cancel(self, argument: str) -> str:
        """Takes a message back from the SMSCs that have it. Raises Refused when one won't."""
        wire = await self._wire(argument)
        cancelled: list[tuple[int, int]] = []
        refusals: list[str] = []
        for segment, attempt, carrier_id, smsc_id in wire.parts:
            try:
                bind = self._bind(carrier_id)
                plan = bind.plan
                destination = Address(
                    plan.carrier.dest_ton, plan.carrier.dest_npi, plan.address(wire.mobile)
                )
                pdu = CancelSm(
                    message_id=smsc_id,
                    source=plan.source(wire.sender, wire.ton, wire.npi),
                    destination=destination,
                    service_type=plan.carrier.service_type,
                )
                answer = await _asked(bind, pdu)
            except Refused as error:
                refusals.append(f"{_part(wire, segment)}{error}")
                continue
            if answer.status:
                what = smpp_status.describe(answer.status)
                refusals.append(f"{_part(wire, segment)}{plan.name} did not cancel it: {what}")
            else:
                cancelled.append((segment, attempt))
        if cancelled:
            await self._settle(int(argument), cancelled)
        if refusals:
            raise Refused("; ".join(refusals))
        return "cancelled by the SMSC"

    async def _settle(self, message_id: int, parts: list[tuple[int, int]]) -> None:
        while True:  # it is taken back, and that must not be forgotten
            try:
                return await self.gateway.db.transact(messages.taken_back, message_id, parts)
            except (Unreachable, CommitUnknown):
                await trio.sleep(AGAIN_S)

    async def _wire(self, argument: str) -> Wire:
        try:
            wire = await self.gateway.db.transact(messages.on_the_wire, int(argument))
        except (Unreachable, CommitUnknown) as error:
            raise Refused(str(error)) from error
        if wire is None or not wire.parts:
            raise Refused("no SMSC has given an id to this message, so none can be asked")
        return wire

    def _bind(self, carrier_id: int) -> Bind:
        """A bind of that carrier that can ask."""
        for bind in self.gateway.binds.values():
            if bind.plan.id == carrier_id and bind.up:
                return bind
        plan = self.gateway.network.by_id(carrier_id)
        name = "its carrier" if plan is None else f"carrier {plan.name}"
        raise Refused(f"{name} has no bind that sends here; see `siaran carrier ls`")


def _part(wire: Wire, segment: int) -> str:
    return f"segment {segment}: " if len(wire.parts) > 1 else ""


async def _asked(bind: Bind, pdu: QuerySm | CancelSm) -> QuerySmResp | CancelSmResp:
    name, session = bind.plan.name, bind.session
    if session is None:
        raise Refused(f"{name}: the session has ended")
    try:
        with trio.fail_after(ANSWER_S):
            return await session.request(pdu)
    except trio.TooSlowError:
        raise Refused(f"{name} has not answered within {ANSWER_S:g} s") from None
    except (NoAnswer, SessionClosed) as error:
        raise Refused(f"{name}: {error}") from error


def _said(bind: Bind, smsc_id: str, answer: QuerySmResp | CancelSmResp) -> str:
    """The SMSC's answer to a query in words."""
    begin = f"{bind.plan.name} says of {smsc_id}: "
    if answer.status or not isinstance(answer, QuerySmResp):
        return begin + smpp_status.describe(answer.status)
    number = answer.message_state
    words = begin + _WORDS.get(number, f"message_state {number}, which SMPP doesn't have")
    if answer.final_date:
        words += f" since {answer.final_date} (its time)"
    if answer.error_code:
        words += f", network error {answer.error_code}"
    return words
