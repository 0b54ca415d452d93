"""What a message becomes on the wire; `policy` says what the SMSC's answer makes of it.

A message of n segments is n bits. A launch sends the segments that are neither on the wire, taken
nor failed; each answer moves one bit. The decisions are here, the SQL that carries them out in
`store/launching.py` and `store/settling.py`.
"""

from smpp import segments
from smpp.alphabet import NotInAlphabet
from smpp.segments import Profile, Segment

__all__ = [
    "Unsendable",
    "campaign_share",
    "compose",
    "is_campaigns",
]

# A segment is a bit of an int4 in SQL.
MOST_SEGMENTS = 31

# Of each turn's free window this share is kept for campaigns while they have something to send
# a flood of API messages must not stop them.
CAMPAIGN_SHARE = 5


class Unsendable(Exception):
    """A message that can never go out as it is; the text says why.

    It may name characters of the message; `kind`, in few words, is for logs and metrics.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


def compose(
    message_id: int,
    text: str,
    encoding: str,
    most_segments: int,
    profile: Profile = segments.PLAIN,
    flash: bool = False,
) -> list[Segment]:
    """The segments of a merged text as a carrier of that profile wants them (R-5.6).

    Raises Unsendable (R-2.1, R-2.2: refused, never cut), also for what this carrier can't carry.
    The reference number comes from the message's id, so that two messages to one number differ.
    """
    forced = None if encoding == "auto" else segments.Encoding(encoding)
    try:
        parts = segments.split(text, forced, reference=message_id, profile=profile, flash=flash)
    except NotInAlphabet as error:
        raise Unsendable(str(error), "characters beyond its alphabet") from error
    except segments.NoUcs2 as error:
        raise Unsendable(str(error), "it takes no UCS-2") from error
    except segments.TooManySegments as error:
        raise Unsendable(str(error), _TOO_LONG) from error
    number = len(parts)
    if parts[0].tlvs and profile.method == "payload":  # one PDU, but as many on their way
        number = segments.count(text, forced, profile=profile).segments
    if number > most_segments:
        raise Unsendable(f"{number} segments, at most {most_segments} are allowed", _TOO_LONG)
    return parts


_TOO_LONG = "too many segments"


def campaign_share(free: int, turn: int) -> int:
    """How many of `free` segments a turn keeps for campaigns that have something to send (R-5.14).

    Over the turns it is a fifth, whatever each of them has: slots often become free one by one, and
    rounded up or down in each turn they would all be campaigns', or none.

    >>> [campaign_share(1, turn) for turn in range(5)]
    [1, 0, 0, 0, 0]
    """
    whole, rest = divmod(free, CAMPAIGN_SHARE)
    return whole + (turn % CAMPAIGN_SHARE < rest)


def is_campaigns(turn: int) -> bool:
    """Whether in this turn even a message that finds room for once has to leave them their share."""
    return turn % CAMPAIGN_SHARE == 0
