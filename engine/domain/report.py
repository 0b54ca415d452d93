"""What became of a campaign's messages beyond their counts, and what its figures mean to a person.

The store sums up; here is a country's name, what a carrier's reason means, how long half of the
receipts took, and the steps of the funnel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import phonenumbers

from engine.domain.message import MessageState
from engine.domain.receipts import SOFT
from smpp import status
from smpp.receipt import STATES, ReceiptState

LATENCIES_S: Final = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400)
"""Upper bounds of the classes that receipts are counted in by how long they took; one more is
beyond the last."""

WIDTHS_S: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
"""How long a moment of the rate over time may be."""

REASONS: Final = 50
"""Reasons that are told apart, the commonest: carriers put numbers of their own into them."""

OTHER: Final = "other reasons"
PREFIX: Final = 4
"""Characters of a number that name its country: the plus and at most three digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Sums over the messages of a campaign.

    `countries`: by the first characters of the number, then by state. `reasons`: by state, then by
    the words of the SMSC. `sent` and `delivered`: messages by the moment in which the SMSC took
    them, and in which their receipt came; a moment is its first second (of the epoch), and
    `moment_s` long; receipts that came long after the end are left out. `latencies`: delivered ones
    by the class of LATENCIES_S. `carriers`: by name, what was taken over it, in messages by state
    and in `segments`.
    """

    counts: Counter[str] = field(default_factory=Counter)
    segments: int = 0
    segments_delivered: int = 0
    countries: Mapping[str, Counter[str]] = field(default_factory=dict)
    reasons: Mapping[str, Counter[str]] = field(default_factory=dict)
    moment_s: int = 1
    sent: Counter[int] = field(default_factory=Counter)
    delivered: Counter[int] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    carriers: Mapping[str, Counter[str]] = field(default_factory=dict)


def common(reasons: Mapping[str, Counter[str]], most: int = REASONS) -> dict[str, Counter[str]]:
    """The commonest reasons by state, the rest of each state as one."""
    ranked = sorted(
        ((n, state, reason) for state, of in reasons.items() for reason, n in of.items()),
        reverse=True,
    )
    kept: dict[str, Counter[str]] = {}
    for rank, (n, state, reason) in enumerate(ranked):
        kept.setdefault(state, Counter())[reason if rank < most else OTHER] += n
    return kept


def moment_s(over_s: float, most: int, finest: int = 1) -> int:
    """How long a moment is when so many seconds make about `most` of them; a multiple of `finest`.

    >>> moment_s(45.0, 100), moment_s(7200.0, 100), moment_s(7200.0, 100, finest=300)
    (1, 120, 300)
    """
    fitting = (w for w in WIDTHS_S if over_s / w <= most and w % finest == 0)
    return next(fitting, max(WIDTHS_S[-1], finest))


def moments(figures: Figures, most: int) -> tuple[int, list[int], list[Counter[int]]]:
    """The rate over time, as a picture has room for: from the first moment to the last.

    A moment's length first, then the beginning of each (about `most`, of which some may have
    nothing), then the counts of what was sent and of what was delivered.

    >>> moments(Figures(sent=Counter({60: 1, 61: 2}), delivered=Counter({89: 3})), most=10)
    (5, [60, 65, 70, 75, 80, 85], [Counter({60: 3}), Counter({85: 3})])
    """
    series = (figures.sent, figures.delivered)
    known = [second for one in series for second in one]
    if not known:
        return figures.moment_s, [], [Counter() for _ in series]
    width = moment_s(max(known) - min(known), most, figures.moment_s)
    begins = range(min(known) // width * width, max(known) + 1, width)
    found: list[Counter[int]] = [Counter() for _ in series]
    for into, one in zip(found, series, strict=True):
        for second, n in one.items():
            into[second // width * width] += n
    return width, list(begins), found


def latency_at_most(latencies: Mapping[int, int], share: float) -> int | None:
    """Within how many seconds that share had its receipt, by the classes; None: later, or nobody.

    >>> latency_at_most({0: 90, 3: 10}, 0.9), latency_at_most({0: 90, 3: 10}, 0.95)
    (1, 10)
    """
    total = sum(latencies.values())
    reached = 0
    for index, bound in enumerate(LATENCIES_S):
        reached += latencies.get(index, 0)
        if total and reached >= share * total:
            return bound
    return None


def latency_names() -> tuple[str, ...]:
    """The classes in words: `up to 1 s`, `1 to 2 s`, …, `over 1 day`."""
    between = (f"{span(low)} to {span(high)}" for low, high in pairwise(LATENCIES_S))
    return (f"up to {span(LATENCIES_S[0])}", *between, f"over {span(LATENCIES_S[-1])}")


def span(seconds: float) -> str:
    """`5 s`, `15 min`, `6 h`, `2 days`: whole ones, rounded.

    >>> span(8), span(125), span(3600), span(86_400)
    ('8 s', '2 min', '1 h', '1 day')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5_400 and seconds != 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 86_400:
        return f"{seconds / 3600:.1f} h".replace(".0 h", " h")
    days = f"{seconds / 86_400:.1f}".removesuffix(".0")
    return f"{days} day" if days == "1" else f"{days} days"


def by_country(prefixes: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    """States by country, the one with most messages first; what has no number any more is `removed`.

    >>> by_country({"+642": Counter(sent=1), "+627": Counter(sent=2)})
    {'+62 Indonesia': Counter({'sent': 2}), '+64 New Zealand': Counter({'sent': 1})}
    """
    found: dict[str, Counter[str]] = {}
    for prefix, counts in prefixes.items():
        found.setdefault(country(prefix), Counter()).update(counts)
    return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))


@cache
def country(prefix: str) -> str:
    """The country of a number that begins like this: `+64 New Zealand`.

    Of a calling code that several share, all by one name where they have one.
    """
    digits = prefix.removeprefix("+")
    if not digits:
        return "number removed"
    for length in (1, 2, 3):
        code = digits[:length]
        regions = (
            phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code.isdigit() else None
        )
        if regions:
            name = _SHARED.get(code) or _NAMES.get(regions[0], regions[0])
            return f"+{code} {name}" if name != "001" else f"+{code} international"
    return "unknown"


_SHARED: Final = {"1": "North America", "7": "Russia and Kazakhstan"}

# The names of regions, English and short. The library that knows the plans has only the codes.
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    dict(
        line.split(" ", 1)
        for line in """
AC Ascension Island|AD Andorra|AE United Arab Emirates|AF Afghanistan|AL Albania|AM Armenia
AO Angola|AR Argentina|AT Austria|AU Australia|AW Aruba|AZ Azerbaijan|BA Bosnia and Herzegovina
BD Bangladesh|BE Belgium|BF Burkina Faso|BG Bulgaria|BH Bahrain|BI Burundi|BJ Benin|BN Brunei
BO Bolivia|BR Brazil|BT Bhutan|BW Botswana|BY Belarus|BZ Belize|CD DR Congo
CF Central African Republic|CG Congo|CH Switzerland|CI Côte d'Ivoire|CK Cook Islands|CL Chile
CM Cameroon|CN China|CO Colombia|CR Costa Rica|CU Cuba|CV Cape Verde|CW Curaçao|CY Cyprus
CZ Czechia|DE Germany|DJ Djibouti|DK Denmark|DZ Algeria|EC Ecuador|EE Estonia|EG Egypt
ER Eritrea|ES Spain|ET Ethiopia|FI Finland|FJ Fiji|FK Falkland Islands|FM Micronesia
FO Faroe Islands|FR France|GA Gabon|GB United Kingdom|GE Georgia|GF French Guiana|GH Ghana
GI Gibraltar|GL Greenland|GM Gambia|GN Guinea|GP Guadeloupe|GQ Equatorial Guinea|GR Greece
GT Guatemala|GW Guinea-Bissau|GY Guyana|HK Hong Kong|HN Honduras|HR Croatia|HT Haiti|HU Hungary
ID Indonesia|IE Ireland|IL Israel|IN India|IO Diego Garcia|IQ Iraq|IR Iran|IS Iceland|IT Italy
JO Jordan|JP Japan|KE Kenya|KG Kyrgyzstan|KH Cambodia|KI Kiribati|KM Comoros|KP North Korea
KR South Korea|KW Kuwait|LA Laos|LB Lebanon|LI Liechtenstein|LK Sri Lanka|LR Liberia|LS Lesotho
LT Lithuania|LU Luxembourg|LV Latvia|LY Libya|MA Morocco|MC Monaco|MD Moldova|ME Montenegro
MG Madagascar|MH Marshall Islands|MK North Macedonia|ML Mali|MM Myanmar|MN Mongolia|MO Macao
MQ Martinique|MR Mauritania|MT Malta|MU Mauritius|MV Maldives|MW Malawi|MX Mexico|MY Malaysia
MZ Mozambique|NA Namibia|NC New Caledonia|NE Niger|NF Norfolk Island|NG Nigeria|NI Nicaragua
NL Netherlands|NO Norway|NP Nepal|NR Nauru|NU Niue|NZ New Zealand|OM Oman|PA Panama|PE Peru
PF French Polynesia|PG Papua New Guinea|PH Philippines|PK Pakistan|PL Poland
PM Saint Pierre and Miquelon|PS Palestine|PT Portugal|PW Palau|PY Paraguay|QA Qatar|RE Réunion
RO Romania|RS Serbia|RW Rwanda|SA Saudi Arabia|SB Solomon Islands|SC Seychelles|SD Sudan
SE Sweden|SG Singapore|SH Saint Helena|SI Slovenia|SK Slovakia|SL Sierra Leone|SM San Marino
SN Senegal|SO Somalia|SR Suriname|SS South Sudan|ST São Tomé and Príncipe|SV El Salvador|SY Syria
SZ Eswatini|TD Chad|TG Togo|TH Thailand|TJ Tajikistan|TK Tokelau|TL Timor-Leste|TM Turkmenistan
TN Tunisia|TO Tonga|TR Türkiye|TV Tuvalu|TW Taiwan|TZ Tanzania|UA Ukraine|UG Uganda|UY Uruguay
UZ Uzbekistan|VE Venezuela|VN Vietnam|VU Vanuatu|WF Wallis and Futuna|WS Samoa|XK Kosovo|YE Yemen
ZA South Africa|ZM Zambia|ZW Zimbabwe
""".strip().replace("\n", "|").split("|")
    )
)  # fmt: skip


def meaning(reason: str) -> str | None:
    """What an SMSC's word for a failure means; None when the reason is a sentence already.

    >>> meaning("ESME_RINVDSTADR"), meaning("UNDELIV, err 069")
    ('invalid destination address', 'the carrier could not deliver it')
    """
    word = reason.split(",", 1)[0].split(" (", 1)[0].strip()
    named = _STATUSES.get(word)
    if named is not None:
        return named
    if word == SOFT:
        return "the carrier does not know what became of it"
    return _RECEIPTS.get(word.upper())


_STATUSES: Final = {row.name: row.meaning for row in status.TABLE.values()}
_SAYS: Final = {
    ReceiptState.EXPIRED: "its time ran out at the carrier before the handset was reached",
    ReceiptState.DELETED: "the carrier deleted it",
    ReceiptState.UNDELIVERABLE: "the carrier could not deliver it",
    ReceiptState.REJECTED: "the carrier or the recipient's network rejected it",
    ReceiptState.SKIPPED: "the carrier passed it over",
}
_RECEIPTS: Final = {word: says for state, says in _SAYS.items() for word in STATES[state].words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the funnel: how many messages came so far, and what share of all that is."""

    name: str
    messages: int
    share: float


def funnel(counts: Mapping[MessageState, int], taken: int) -> tuple[Step, ...]:
    """From all recipients to those on whose handsets it is: each step is part of the one before.

    `taken`: messages of which the SMSC took a segment. What was delivered was taken, too, though
    no response may have said so (R-8.2).
    """
    total = sum(counts.values())
    delivered = counts[MessageState.DELIVERED]
    steps = (
        ("recipients", total),
        ("to be sent", total - counts[MessageState.SKIPPED]),
        ("taken by the carrier", max(taken, delivered)),
        ("delivered", delivered),
    )
    return tuple(
        Step(name=name, messages=n, share=n / total if total else 0.0) for name, n in steps
    )
