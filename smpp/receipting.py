"""The receipts of a simulated SMSC, with the habits of real ones (R-5.12, R-5.8).

{id in another base} x {text, TLVs} x {one a segment, one a message} x {again and again}
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from smpp import codec, receipt_dates, recording, tlv
from smpp.options import Options
from smpp.pdu import Submit
from smpp.receipt import STATES, ReceiptState, render

__all__ = ["Delivery", "Receipting", "in_responses"]

_RECEIPT: Final = 0x04  # esm_class of a deliver_sm that is a receipt (SMPP 3.4 §5.2.12)
_INTERMEDIATE: Final = 0x20
_WANTS_RECEIPT: Final = 0x03  # registered_delivery: 0 none, 1 any outcome, 2 failures (§5.2.17)
_FAILURES_ONLY: Final = 2
_FORGOTTEN: Final = 10_000
"""Messages of which a segment is missing; then the oldest are given up."""


class Delivery(NamedTuple):
    """A deliver_sm that is owed: its body, and what it is."""

    body: bytes
    is_receipt: bool


class Receipting:
    """What is said about the messages that were taken."""

    def __init__(self, options: Options) -> None:
        self._options = options
        form = "text" if options.smpp_version == "3.3" else options.receipt_form
        self._with_text, self._with_tlv = "text" in form, "tlv" in form
        self._state_tlvs = {
            state: tlv.build(tlv.MESSAGE_STATE, bytes((info.message_state,)))
            for state, info in STATES.items()
        }
        self._incomplete: dict[tuple[str, str, int, int], dict[int, str]] = {}

    def receipts(self, taken: Iterable[tuple[Submit, str]], at: datetime) -> list[Delivery]:
        """The receipts that these messages, with the ids of their responses, ask for."""
        options = self._options
        if options.receipt_after_ms is None:
            return []
        state = options.receipt_state
        good = state is ReceiptState.DELIVERED
        date = receipt_dates.write(at)
        owed: list[Delivery] = []
        for submit, message_id in taken:
            wanted = submit.registered_delivery & _WANTS_RECEIPT
            if not wanted or (wanted == _FAILURES_ONLY and good):
                continue
            about = message_id
            if options.receipts_per == "message":
                whole = self._whole(submit, message_id)
                if whole is None:
                    continue
                about = whole
            if options.receipt_ids != "same":
                about = _in_receipts(about, options.receipt_ids)
            if options.intermediate:
                owed.append(self._receipt(submit, about, ReceiptState.ENROUTE, date, _INTERMEDIATE))
            receipt = self._receipt(submit, about, state, date, _RECEIPT)
            owed += [receipt] * (1 + options.duplicates)
        return owed

    def _receipt(
        self, submit: Submit, message_id: str, state: ReceiptState, date: str, esm_class: int
    ) -> Delivery:
        text = tlvs = b""
        if self._with_text:
            err = "000" if state in (ReceiptState.DELIVERED, ReceiptState.ENROUTE) else "001"
            text = render(message_id, state, submit_date=date, done_date=date, err=err)
        if self._with_tlv:
            tlvs = tlv.build(tlv.RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0")
            tlvs += self._state_tlvs[state]
        body = codec.deliver_back(submit, esm_class=esm_class, short_message=text, tlvs=tlvs)
        return Delivery(body, is_receipt=True)

    def _whole(self, submit: Submit, message_id: str) -> str | None:
        """The id that the receipt of a whole message has; None while a segment is missing."""
        _, part = recording.read(submit)
        if part is None:
            return message_id
        key = (submit.source, submit.destination, part.reference, part.total)
        have = self._incomplete.setdefault(key, {})
        have.setdefault(part.part, message_id)
        if len(have) < part.total:
            if len(self._incomplete) > _FORGOTTEN:
                del self._incomplete[next(iter(self._incomplete))]
            return None
        del self._incomplete[key]
        return next(iter(have.values()))


def in_responses(number: int, habit: str) -> str:
    """The id of a response, for a message of this number."""
    match habit:
        case "decimal":
            return f"{number:x}"
        case "stripped":
            return f"{number:020}"
        case _:
            return str(number)


def _in_receipts(message_id: str, habit: str) -> str:
    """The same id as receipts have it.

    >>> _in_receipts("255", "hex"), _in_receipts("ff", "decimal"), _in_receipts("00255", "stripped")
    ('FF', '255', '255')
    """
    match habit:
        case "hex":
            return f"{int(message_id):X}"
        case "decimal":
            return str(int(message_id, 16))
        case _:
            return message_id.lstrip("0")
