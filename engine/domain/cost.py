"""What a message costs, known before anybody gets it: merged, encoded, cut for every recipient.

A param can turn one segment into two, or GSM into UCS-2, so each recipient's own text is cut, with
the function that cuts it when it is sent (R-2.3). A million of them take some seconds: `Meter` is
fed in chunks, so that memory stays flat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.domain.errors import Refused
from engine.domain.merge import Template, missing
from engine.domain.message import check_length
from engine.domain.transliterate import transliterate
from smpp import segments
from smpp.alphabet import NotInAlphabet, not_in_gsm
from smpp.segments import Count, Encoding

Member = tuple[int, str, Sequence[str]]
"""(id, mobile, params): a tuple, since a list has up to a million of them."""

_NAMED = 3  # numbers that a notice names: enough to look for the pattern in the list
_EXAMINED = 1000  # UCS-2 texts in which is looked for what forced it: the first ones tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a message to a list costs (R-2.1, R-2.2) and lacks (R-2.3).

    `characters`, `units`, `encoding` and `largest` (segments) are of the longest merged text, that
    of `largest_mobile` (None when the text has no params and all get the same). `histogram` counts
    recipients by segments, `encodings` by encoding. `missing` are the members that lack a param
    which the text refers to.
    """

    recipients: int
    segments: int
    largest: int
    characters: int
    units: int
    encoding: Encoding
    forced_by: tuple[str, ...]
    histogram: Mapping[int, int]
    encodings: Mapping[str, int]
    largest_mobile: str | None
    missing: int
    missing_params: Mapping[int, int]
    missing_mobiles: tuple[str, ...]
    missing_ids: tuple[int, ...]


class Meter:
    """Adds up the cost of one text over recipients that come in chunks."""

    def __init__(
        self, template: Template, encoding: str, *, most: int, transliterated: bool = False
    ) -> None:
        """`encoding` is auto, gsm or ucs2; a text above `most` segments is refused.

        `transliterated`: each merged text is brought into GSM's characters where that can be.
        """
        self._transliterated = transliterated
        self._template = template
        self._encoding = _forced(encoding)
        self._most = most
        self._histogram: Counter[int] = Counter()
        self._encodings: Counter[Encoding] = Counter()
        self._largest = (0, 0, "")  # segments, characters, mobile
        self._largest_text = template.text
        self._forced_by: dict[str, None] = {}
        self._examined = 0
        self._missing = 0
        self._missing_params: Counter[int] = Counter()
        self._missing_first: list[tuple[str, int]] = []
        self._refused = 0
        self._first_refused: str | None = None

    def add(self, members: Iterable[Member]) -> None:
        """Count these recipients in. Raises Refused for a text that forced GSM can't carry."""
        others = 0
        if not self._template.params:  # all get the same
            members = list(members)
            members, others = members[:1], max(len(members) - 1, 0)
        merge, cut, most = self._template.merge, self._cut, self._most
        wanted = [number - 1 for number in self._template.params]
        counted: Counter[tuple[int, Encoding]] = Counter()
        largest, longest, _ = self._largest
        for place, mobile, params in members:
            text = merge(params)
            if self._transliterated:
                text = transliterate(text)
            parts, encoding = size = cut(text, mobile)
            counted[size] += 1 + others
            if parts > largest or (parts == largest and len(text) > longest):
                largest, longest = parts, len(text)
                self._largest, self._largest_text = (largest, longest, mobile), text
            if encoding is Encoding.UCS2 and self._examined < _EXAMINED:
                self._examined += 1
                self._forced_by.update(dict.fromkeys(not_in_gsm(text)))
            if parts > most:
                self._refused += 1 + others
                self._first_refused = self._first_refused or f"{mobile} ({_segments(parts)})"
            given = len(params)
            for index in wanted:
                if index >= given or not params[index]:
                    self._note_missing(place, mobile, params)
                    break
        for (parts, encoding), n in counted.items():
            self._histogram[parts] += n
            self._encodings[encoding] += n

    def _note_missing(self, place: int, mobile: str, params: Sequence[str]) -> None:
        self._missing += 1
        self._missing_params.update(missing(self._template, params))
        if len(self._missing_first) < _NAMED:
            self._missing_first.append((mobile, place))

    def check_text(self) -> None:
        """Refuse, before any recipient is known, a text that can't go out with any params."""
        bare = self._template.merge(())
        if self._transliterated:
            bare = transliterate(bare)
        if not self._template.text.strip():
            raise Refused("the message is empty")
        self._cut(bare, None)
        check_length(segments.count(bare, self._encoding), self._most)

    def cost(self) -> Cost:
        """What it comes to. Raises Refused when a recipient's text has too many segments."""
        if self._first_refused is not None:
            others = f" and {self._refused - 1:,} more" if self._refused > 1 else ""
            raise Refused(
                f"with its params the message is too long for {self._first_refused}{others}: "
                f"at most {self._most} are allowed (segments.max); shorten the text or the params; "
                f"segments → recipients: {_line(self._histogram)}"
            )
        largest = segments.count(self._largest_text, self._encoding)
        return Cost(
            recipients=self._histogram.total(),
            segments=sum(parts * n for parts, n in self._histogram.items()),
            largest=largest.segments,
            characters=largest.characters,
            units=largest.units,
            encoding=largest.encoding,
            forced_by=tuple(self._forced_by),
            histogram=dict(sorted(self._histogram.items())),
            encodings={e.value: n for e, n in self._encodings.items()},
            largest_mobile=self._largest[2] if self._template.params else None,
            missing=self._missing,
            missing_params=dict(sorted(self._missing_params.items())),
            missing_mobiles=tuple(mobile for mobile, _ in self._missing_first),
            missing_ids=tuple(place for _, place in self._missing_first),
        )

    def _cut(self, text: str, mobile: str | None) -> tuple[int, Encoding]:
        try:
            parts = segments.split(text, self._encoding, reference=0)
        except NotInAlphabet as error:
            raise _not_carried(error, mobile) from error
        except segments.TooManySegments:
            # More than can be numbered, so above any limit: their number is for the refusal.
            count = segments.count(text, self._encoding)
            return count.segments, count.encoding
        return len(parts), Encoding.UCS2 if parts[0].data_coding else Encoding.GSM


def measured_text(text: str, encoding: str) -> Count:
    """What one text takes, as it is. Raises Refused for what forced GSM can't carry."""
    try:
        return segments.count(text, _forced(encoding))
    except NotInAlphabet as error:
        raise _not_carried(error, None) from error


def notices(cost: Cost, *, lines: bool = False) -> list[str]:
    """What a person should know before it is sent, a sentence a line (R-2.1 to R-2.3).

    `lines`: the recipients were counted in as the lines of a file.

    >>> notices(cost)
    ['message: 12 characters, 12 GSM units, 1 segment']
    """
    which = (
        f"message (the longest, for {cost.largest_mobile})" if cost.largest_mobile else "message"
    )
    unit = "GSM" if cost.encoding is Encoding.GSM else "UCS-2"
    size = f"{cost.characters} characters, {cost.units} {unit} units, {_segments(cost.largest)}"
    said = [f"{which}: {size}"]
    if ucs2 := cost.encodings.get(Encoding.UCS2):
        whose = (
            "" if ucs2 == cost.recipients else f" for {ucs2:,} of {cost.recipients:,} recipients"
        )
        why = f": {name_characters(cost.forced_by)}" if cost.forced_by else ""
        said.append(f"sent as UCS-2{whose}{why}")
    if cost.largest > 1:
        said.append(
            f"cost: {cost.segments:,} segments for {cost.recipients:,} recipients "
            f"(segments → recipients: {_line(cost.histogram)})"
        )
    if cost.missing:
        params = ", ".join(f"%%{n}%% for {count:,}" for n, count in cost.missing_params.items())
        more = ", …" if cost.missing > len(cost.missing_mobiles) else ""
        first = zip(cost.missing_mobiles, cost.missing_ids, strict=True)
        whose = ", ".join(f"{mobile} (line {n:,})" if lines else mobile for mobile, n in first)
        said.append(f"params are missing: {params}; they are left empty, for {whose}{more}")
    return said


def name_characters(characters: Sequence[str], *, most: int = 8) -> str:
    """The characters as a person can find them: `“ ” (U+201C, U+201D)`."""
    shown = characters[:most]
    glyphs = " ".join(c if c.isprintable() else "·" for c in shown)
    codes = ", ".join(f"U+{ord(c):04X}" for c in shown)
    more = f" and {len(characters) - most} more" if len(characters) > most else ""
    return f"{glyphs} ({codes}{more})"


def _forced(encoding: str) -> Encoding | None:
    """The encoding that is forced; None for auto, which chooses for each text."""
    if encoding == "auto":
        return None
    try:
        return Encoding(encoding)
    except ValueError:
        raise Refused(f'encoding "{encoding}": there are auto, gsm and ucs2') from None


def _not_carried(error: NotInAlphabet, mobile: str | None) -> Refused:
    whose = f"with the params of {mobile} " if mobile else ""
    return Refused(
        f"{whose}the message holds {name_characters(error.characters)}, which GSM can't "
        "carry; remove it, or use --encoding auto"
    )


def _line(histogram: Mapping[int, int]) -> str:
    """`1 → 990, 2 → 13`."""
    return ", ".join(f"{parts} → {n:,}" for parts, n in sorted(histogram.items()))


def _segments(n: int) -> str:
    return f"{n} segment{'s' if n != 1 else ''}"
