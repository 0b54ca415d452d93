"""Habits of carriers that are known well, as lines to put into a carrier's table (R-5.6).

`siaran carrier presets` shows them. What a carrier does stands in its document, or shows by
`siaran trace`; several habits may come together.
"""

from typing import Final, NamedTuple

__all__ = ["PRESETS", "Preset"]


class Preset(NamedTuple):
    """A habit: what it is called, what is seen of it, where it is written about, what to set."""

    name: str
    sentence: str
    source: str
    lines: str


PRESETS: Final = (
    Preset(
        "latin1",
        "Accented letters arrive as others (à as a control character): data_coding 0 is Latin-1.",
        "SMPP 3.4 §5.2.19",
        'alphabet = "latin1"',
    ),
    Preset(
        "ascii",
        "Only plain English letters arrive: data_coding 0 is ASCII.",
        "SMPP 3.4 §5.2.19",
        'alphabet = "ascii"',
    ),
    Preset(
        "no-ucs2",
        "Every message with another script is refused: the carrier takes no UCS-2.",
        "SMPP 3.4 §5.2.19",
        "ucs2_coding = 0",
    ),
    Preset(
        "turkish",
        "Turkish texts may stay in 7 bits, 155 characters to a segment in place of 70.",
        "3GPP TS 23.038 §A.2.1, §A.3.1",
        'shift_tables = ["turkish"]',
    ),
    Preset(
        "spanish",
        "Spanish and Portuguese texts with á, í, ó, ú may stay in 7 bits.",
        "3GPP TS 23.038 §A.2.2",
        'shift_tables = ["spanish"]',
    ),
    Preset(
        "udh16",
        "Long messages get mixed up on busy handsets: the reference wants 16 bits.",
        "3GPP TS 23.040 §9.2.3.24.8",
        'long_messages = "udh16"',
    ),
    Preset(
        "sar",
        "Long messages with a user data header are refused; SAR parameters are taken.",
        "SMPP 3.4 §5.3.2.22",
        'long_messages = "sar"',
    ),
    Preset(
        "payload",
        "The carrier cuts long messages itself, and wants them in one piece.",
        "SMPP 3.4 §5.3.2.32",
        'long_messages = "payload"',
    ),
    Preset(
        "hex-receipts",
        "Responses have decimal ids, receipts the same ones in hexadecimal.",
        "SMPP 3.4 Appendix B",
        'receipt_id = "hex"',
    ),
    Preset(
        "decimal-receipts",
        "Responses have hexadecimal ids, receipts the same ones in decimal.",
        "SMPP 3.4 Appendix B",
        'receipt_id = "decimal"',
    ),
    Preset(
        "one-receipt",
        "Of a long message one receipt comes, not one for each segment.",
        "SMPP 3.4 Appendix B",
        'receipts_per = "message"',
    ),
    Preset(
        "accepted-is-final",
        "The last receipt says ACCEPTD, and DELIVRD never comes.",
        "SMPP 3.4 §5.2.28",
        "accepted_is_final = true",
    ),
    Preset(
        "plus",
        "Numbers without a plus are refused as invalid (ESME_RINVDSTADR).",
        "SMPP 3.4 §5.2.9",
        "plus = true",
    ),
    Preset(
        "smpp33",
        "An SMSC of the old version: no optional parameters, and two sessions in place of one.",
        "SMPP 3.3 §5; SMPP 3.4 §4.1.2",
        'version = "3.3"\nbinds = [{ mode = "transmitter" }, { mode = "receiver" }]',
    ),
    Preset(
        "apart",
        "Transceivers are refused: one session sends, another receives.",
        "SMPP 3.4 §2.2",
        'binds = [{ mode = "transmitter" }, { mode = "receiver" }]',
    ),
    Preset(
        "one-at-a-time",
        "A second submit_sm before the first response is refused or lost.",
        "SMPP 3.4 §2.9",
        "window = 1",
    ),
    Preset(
        "small-account",
        "Few messages a second are let through, and bursts are throttled.",
        "SMPP 3.4 §5.1.3, ESME_RTHROTTLED",
        "rate = 2.0\nwindow = 2",
    ),
    Preset(
        "drops-idle",
        "Sessions are cut after 30 s or less without a word.",
        "SMPP 3.4 §4.11",
        "timers.enquire_after_s = 10.0",
    ),
    Preset(
        "slow-responses",
        "Responses take minutes when the carrier is busy.",
        "SMPP 3.4 §7.2, response_timer",
        "timers.response_timeout_s = 600.0",
    ),
    Preset(
        "full-means-slower",
        "ESME_RMSGQFUL comes for too many messages a second, in place of ESME_RTHROTTLED.",
        "SMPP 3.4 §5.1.3",
        'statuses.RMSGQFUL = "throttle"',
    ),
    Preset(
        "system-error-means-slower",
        "ESME_RSYSERR comes for too many messages a second, in place of ESME_RTHROTTLED.",
        "SMPP 3.4 §5.1.3",
        'statuses.RSYSERR = "throttle"',
    ),
    Preset(
        "failures-only",
        "Receipts cost: only failures are asked for, and what has none counts as sent.",
        "SMPP 3.4 §5.2.17",
        "registered_delivery = 2",
    ),
)
