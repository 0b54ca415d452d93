"""A campaign's report as one page of HTML that needs nothing beside itself (R-7.9).

No script, no font, no picture from elsewhere, and a policy in its head that forbids them. Light or
dark as the reader's system is, and on paper; what a colour says, a word or a number says, too. What
came from outside (names, the message, a carrier's reasons) is escaped, and can't turn the direction
of the words around it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from engine.domain import report as known
from engine.domain.message import DEFINITIONS, MessageState
from engine.operations import pictures
from engine.operations.pictures import Part, Series
from engine.operations.reports import Pictured, Report

_MOMENTS: Final = 90
"""Columns of the rate over time: each is some pixels wide on a telephone."""

_ROWS: Final = 25
"""Countries and reasons that are told apart; the page says how many more there are."""

_MEANINGS: Final = {
    "opt-out": "an opt-out command: they get nothing more",
    "near miss": "nearly an opt-out command; a person should look",
    "resume": "wants messages again",
    "help": "asked for help",
    "keyword": "a keyword that joins a list",
    "reply": "an answer to the message",
    "unknown": "none of these",
    "data": "no text",
    "removed": "their rows were removed for their age",
}


def page(pictured: Pictured, now: datetime) -> str:
    """The page as it stands at `now`."""
    report, zone = pictured.report, ZoneInfo(pictured.timezone)
    title = f"Campaign {report.id}"
    parts = [
        _head(pictured, now, zone),
        _tiles(report),
        _notice(report),
        _section("Delivery", _funnel(pictured)),
        _section("Messages by state", _states(report)),
        _section("Rate over time", _rate(pictured, zone)),
        _section("How long receipts took", _latency(pictured)),
        _section("By carrier", _carriers(pictured)),
        _section("By country", _countries(pictured)),
        _section("Why messages were not delivered", _errors(pictured)),
        _section("Replies and opt-outs", _replies(pictured)),
        _section("The message", f'<blockquote dir="auto">{_text(pictured.text)}</blockquote>'),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}{_of_list(report)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{''.join(parts)}</main>\n</body>\n</html>\n"
    )


def _of_list(report: Report) -> str:
    return f": {_text(report.list)}" if report.list is not None else ""


# ---------------------------------------------------------------- the head


def _head(pictured: Pictured, now: datetime, zone: ZoneInfo) -> str:
    report = pictured.report
    whose = [pictured.application, *([pictured.company] if pictured.company else [])]
    facts = [
        ("State", report.state.value),
        ("Scheduled", _moment(report.scheduled_at, zone)),
        ("Started", _moment(report.started_at, zone)),
        ("Ended", _moment(report.ended_at, zone)),
        ("Sender", report.sender),
        ("By", report.user),
        *([("Batch", report.batch)] if report.batch else []),
    ]
    listed = "".join(
        f"<div><dt>{name}</dt><dd>{_named(value)}</dd></div>" for name, value in facts if value
    )
    return (
        f'<header><p class="over">Campaign {report.id} · {" · ".join(map(_named, whose))}</p>\n'
        f"<h1>{_named(report.list or 'without a list')}</h1>\n"
        f'<dl class="facts">{listed}</dl>\n'
        f'<p class="quiet">As of {_moment(now, zone)}; times are those of {_text(zone.key)}.</p>'
        "</header>\n"
    )


def _tiles(report: Report) -> str:
    counts, total = report.counts, report.recipients or 0
    bad = sum(counts[s] for s in (MessageState.FAILED, MessageState.REJECTED, MessageState.EXPIRED))
    open_ones = sum(
        counts[s] for s in (MessageState.QUEUED, MessageState.LAUNCHED, MessageState.UNCERTAIN)
    )
    tiles = [
        ("Recipients", f"{total:,}" if report.recipients is not None else "–", ""),
        (
            "Delivered",
            _share(counts[MessageState.DELIVERED], total),
            f"{counts[MessageState.DELIVERED]:,}",
        ),
        ("Not delivered", _share(bad, total), f"{bad:,} failed, rejected or expired"),
        ("On their way", f"{open_ones:,}", "queued, launched or uncertain") if open_ones else None,
        ("Replies", f"{report.replies:,}", f"{report.opted_out:,} opted out"),
        ("Segments", f"{report.segments:,}", f"{report.segments_delivered:,} delivered"),
        ("Duration", "–" if report.duration_s is None else known.span(report.duration_s), ""),
    ]
    shown = "".join(
        f"<div><dt>{one[0]}</dt><dd>{one[1]}<small>{one[2]}</small></dd></div>"
        for one in tiles
        if one is not None
    )
    return f'<dl class="tiles">{shown}</dl>\n'


def _notice(report: Report) -> str:
    if report.recipients is None:
        ever = "has not started yet" if report.ended_at is None else "never started"
        many = "" if report.planned == 1 else "s"
        plan = f" It is planned for {report.planned:,} recipient{many}." if report.planned else ""
        return f'<p class="notice">This campaign {ever}, so there is nothing to draw.{plan}</p>\n'
    if report.removed:
        return (
            f'<p class="notice">The rows of {report.removed:,} messages were removed for their age.'
            " The counts and segments have them; the rate, the receipts, carriers, countries and"
            " errors below are of the rest.</p>\n"
        )
    return ""


# ---------------------------------------------------------------- what became of them


def _funnel(pictured: Pictured) -> str:
    report = pictured.report
    # Of rows that are gone nobody knows whether a carrier took them, unless they were delivered.
    steps = known.funnel(report.counts, pictured.figures.sent.total())
    return _table(
        ("Step", "Messages", "Of all"),
        [
            Line(
                step.name,
                (f"{step.messages:,}", _share(step.messages, steps[0].messages)),
                [Part("s-delivered" if step is steps[-1] else "s-sent", step.share)],
            )
            for step in steps
        ],
    )


def _states(report: Report) -> str:
    total = report.recipients or 0
    parts = [Part(f"s-{state}", n / total) for state, n in report.counts.items() if n and total]
    said = ", ".join(f"{n:,} {state}" for state, n in report.counts.items() if n)
    whole = pictures.bar(parts, f"All messages by state: {said}") if parts else ""
    lines = [
        Line(state, (f"{n:,}", _share(n, total)), small=DEFINITIONS[state], swatch=f"s-{state}")
        for state, n in report.counts.items()
    ]
    return f'<div class="whole">{whole}</div>{_table(("State", "Messages", "Share"), lines)}'


def _rate(pictured: Pictured, zone: ZoneInfo) -> str:
    figures = pictured.figures
    width, begins, (sent, delivered) = known.moments(figures, _MOMENTS)
    if not begins:
        return _none("nothing was sent")
    series = (Series("sent", "c-sent", sent), Series("delivered", "c-delivered", delivered))
    most = max(sent, key=lambda begin: (sent[begin], -begin)) if sent else begins[0]
    title = (
        f"Messages over time, in moments of {known.span(width)}, from"
        f" {_moment_of(begins[0], zone)} to {_moment_of(begins[-1] + width, zone)}; most were taken"
        f" by the carrier at {_moment_of(most, zone)}: {sent[most]:,}"
    )
    later = pictured.report.counts[MessageState.DELIVERED] - delivered.total()
    later -= min(pictured.report.removed, later)
    more = f" {later:,} more were delivered later." if later > 0 else ""
    lines = [
        Line(_moment_of(begin, zone), (f"{sent[begin]:,}", f"{delivered[begin]:,}"))
        for begin in begins
        if sent[begin] or delivered[begin]
    ]
    return (
        '<p class="legend"><span class="swatch c-sent"></span>taken by the carrier'
        ' <span class="swatch c-delivered"></span>delivered</p>'
        f"{pictures.rate(begins, width, series, zone, title)}"
        f'<p class="quiet">Each step is {known.span(width)} long.{more}</p>'
        f"<details><summary>As a table</summary>"
        f"{_table(('From', 'Taken by the carrier', 'Delivered'), lines)}</details>"
    )


def _latency(pictured: Pictured) -> str:
    latencies = pictured.figures.latencies
    total = latencies.total()
    if not total:
        return _none("no receipt has said that one is delivered")
    half, most = (known.latency_at_most(latencies, share) for share in (0.5, 0.95))
    longest = known.LATENCIES_S[-1]

    def within(bound: int | None) -> str:
        return f"over {known.span(longest)}" if bound is None else f"up to {known.span(bound)}"

    last = max(latencies)
    lines = [
        Line(
            name,
            (f"{latencies[n]:,}", _share(latencies[n], total)),
            [Part("c-delivered", latencies[n] / total)],
        )
        for n, name in enumerate(known.latency_names()[: last + 1])
    ]
    return (
        f"<p>From when the carrier took a message to its receipt: half of them {within(half)},"
        f" 95 % {within(most)}.</p>{_table(('Time', 'Delivered', 'Share'), lines)}"
    )


def _carriers(pictured: Pictured) -> str:
    carriers = pictured.figures.carriers
    if not carriers:
        return _none("no carrier has taken a message")
    return _fates("Carrier", carriers, segments=True)


def _countries(pictured: Pictured) -> str:
    countries = known.by_country(pictured.figures.countries)
    if not countries:
        return _none("there are no messages")
    return _fates("Country", countries)


def _fates(what: str, of: Mapping[str, Counter[str]], *, segments: bool = False) -> str:
    """Messages by what became of them, a row for each carrier or country."""
    lines = []
    for name, counts in list(of.items())[:_ROWS]:
        messages = sum(counts[state] for state in MessageState)
        bad = sum(counts[state] for state in _BAD)
        numbers = (
            f"{messages:,}",
            *([f"{counts['segments']:,}"] if segments else []),
            _share(counts[MessageState.DELIVERED], messages),
            f"{bad:,}",
        )
        shares = [(state, counts[state] / messages) for state in MessageState if counts[state]]
        lines.append(Line(name, numbers, [Part(f"s-{state}", share) for state, share in shares]))
    head = (what, "Messages", *(["Segments"] if segments else []), "Delivered", "Failed")
    return _table(head, lines) + _more(len(of), what.lower())


def _errors(pictured: Pictured) -> str:
    ranked = sorted(
        (
            (n, state, reason)
            for state, reasons in pictured.figures.reasons.items()
            for reason, n in reasons.items()
        ),
        key=lambda one: (-one[0], one[1], one[2]),
    )
    if not ranked:
        return _none("nothing has failed")
    total = sum(n for n, *_ in ranked)
    lines = []
    for n, state, reason in ranked[:_ROWS]:
        meaning = known.meaning(reason)
        lines.append(
            Line(
                reason or "no reason was given",
                (f"{n:,}", _share(n, total)),
                [Part(f"s-{state}", n / total)],
                small=f"{state}: {meaning}" if meaning else state,
            )
        )
    return _table(("Reason", "Messages", "Share"), lines) + _more(len(ranked), "reason")


def _replies(pictured: Pictured) -> str:
    report = pictured.report
    if not report.replies:
        return _none("nobody has answered")
    found = {**pictured.replies}
    if past := report.replies - sum(found.values()):
        found["removed"] = past
    lines = [
        Line(
            meaning,
            (f"{n:,}", _share(n, report.replies)),
            [Part("s-failed" if meaning == "opt-out" else "c-sent", n / report.replies)],
            small=_MEANINGS.get(meaning, ""),
        )
        for meaning, n in found.items()
    ]
    return (
        f"<p>Answers: {report.replies:,}; recipients who opted out: {report.opted_out:,}"
        f" ({_share(report.opted_out, report.recipients or 0)} of all).</p>"
        + _table(("Taken for", "Messages", "Share"), lines)
    )


_BAD: Final = (MessageState.FAILED, MessageState.REJECTED, MessageState.EXPIRED)


# ---------------------------------------------------------------- HTML


class Line(NamedTuple):
    """A line of a table."""

    name: str
    numbers: Sequence[str]
    bar: Sequence[Part] = ()
    small: str = ""
    swatch: str = ""


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>\n{body}</section>\n"


def _table(head: Sequence[str], lines: Iterable[Line]) -> str:
    """A table: words in the first column, with what explains them and a bar below; then numbers."""
    rows = []
    for line in lines:
        swatch = f'<span class="swatch {line.swatch}"></span>' if line.swatch else ""
        small = f"<small>{_named(line.small)}</small>" if line.small else ""
        drawn = pictures.bar(line.bar) if line.bar else ""
        numbers = "".join(f"<td>{one}</td>" for one in line.numbers)
        rows.append(
            f'<tr><th scope="row">{swatch}{_named(line.name)}{small}{drawn}</th>{numbers}</tr>\n'
        )
    titles = "".join(f'<th scope="col">{one}</th>' for one in head)
    return (
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _more(count: int, what: str) -> str:
    if count <= _ROWS:
        return ""
    plural = what[:-1] + "ies" if what.endswith("y") else f"{what}s"
    return f'<p class="quiet">The first {_ROWS} of {count} {plural}.</p>'


def _none(sentence: str) -> str:
    return f'<p class="quiet">Nothing to show: {sentence}.</p>'


def _named(text: str) -> str:
    """What may come from outside: escaped, with a direction of its own."""
    return f"<bdi>{_text(text)}</bdi>" if not text.isascii() else _text(text)


def _text(text: str) -> str:
    """The text as HTML. What can't be seen is written as in a program, but joiners of emoji."""
    return escape("".join(c if _seen(c) else ascii(c)[1:-1] for c in text))


def _seen(character: str) -> bool:
    return character.isprintable() or character in "\n\t\u200c\u200d\xa0"


def _share(n: int, total: int) -> str:
    """`12.3 %`; what is little is not nothing, and what is not all is not 100 %."""
    if not total:
        return "–"
    percent = n / total * 100
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %"


def _moment(at: datetime | None, zone: ZoneInfo) -> str:
    return "" if at is None else f"{at.astimezone(zone):%d %b %Y, %H:%M:%S}"


def _moment_of(second: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(second, zone):%d %b %Y, %H:%M:%S}"


# Colours: words have a contrast of 7 and more with their ground, parts of bars 3 and more, in both.
_STYLE: Final = """
:root{--ground:#fff;--card:#f6f7f9;--ink:#1b1f24;--quiet:#4b5563;--line:#d5dae1;--grid:#e3e7ec;
--sent:#1f6feb;--delivered:#0a7d43;--launched:#0b86a8;--queued:#7d8794;--failed:#c62828;
--rejected:#8e1b4f;--expired:#b45309;--uncertain:#7a4fd0;--cancelled:#5d6673;--skipped:#7c828c}
@media (prefers-color-scheme:dark){:root{--ground:#14171c;--card:#1d2229;--ink:#e8ebef;
--quiet:#b3bcc8;--line:#3a424d;--grid:#2c333c;--sent:#6aa8ff;--delivered:#4cc38a;--launched:#56c8e8;
--queued:#8b95a3;--failed:#ff7b72;--rejected:#f48fb9;--expired:#f0a04b;--uncertain:#b794f6;
--cancelled:#9aa4b2;--skipped:#8d96a3}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.75rem;line-height:1.2;margin:.1rem 0 .8rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .6rem}
p{margin:.4rem 0}
.over{color:var(--quiet);margin:0;overflow-wrap:anywhere}
.quiet,.unit,.legend{color:var(--quiet);font-size:.875rem}
dl{margin:0}dt{color:var(--quiet);font-size:.8125rem}dd{margin:0;overflow-wrap:anywhere}
.facts{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem;margin-bottom:.6rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;margin:1.2rem 0}
.tiles div{background:var(--card);border-radius:.5rem;padding:.6rem .8rem}
.tiles dd{font-size:1.5rem;font-weight:600;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles small{display:block;font-size:.8125rem;font-weight:400;color:var(--quiet)}
.notice{border-left:4px solid var(--expired);background:var(--card);padding:.6rem .8rem}
section{border-top:1px solid var(--line);padding-top:1.1rem;margin-top:1.6rem}
.scroll{overflow-x:auto}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--sent);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
th,td{text-align:right;padding:.35rem 0 .35rem .8rem;vertical-align:top;font-weight:400;
border-bottom:1px solid var(--grid)}
th:first-child{text-align:left;padding-left:0;width:55%}
thead th{color:var(--quiet);font-size:.8125rem}
tbody th{overflow-wrap:anywhere}
tbody small{display:block;color:var(--quiet);font-size:.8125rem}
td{white-space:nowrap;font-variant-numeric:tabular-nums}
.bar{display:block;width:100%;height:.6rem;background:var(--grid);border-radius:2px;margin:.15rem 0}
.whole .bar{height:1.4rem;margin-bottom:.8rem}
.swatch{display:inline-block;width:.75rem;height:.75rem;border-radius:2px;margin-right:.4rem;
background:currentColor}
.legend .swatch:not(:first-child){margin-left:1rem}
.rate{display:grid;grid-template-columns:auto 1fr;gap:0 .5rem;margin-top:.4rem}
.rate svg{width:100%;height:13rem;display:block}
.heights{display:flex;flex-direction:column;justify-content:space-between;text-align:right}
.heights,.times{font-size:.75rem;color:var(--quiet);font-variant-numeric:tabular-nums;line-height:1}
.heights span:first-child{transform:translateY(-.3rem)}.heights span:last-child{transform:translateY(.3rem)}
.times{grid-column:2;display:flex;justify-content:space-between;padding-top:.4rem}
.grid{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
.area{fill:currentColor;fill-opacity:.3;stroke:currentColor;stroke-width:1;vector-effect:non-scaling-stroke}
.line{fill:none;stroke:currentColor;stroke-width:2;vector-effect:non-scaling-stroke}
rect{fill:currentColor}
summary{cursor:pointer;color:var(--quiet);font-size:.875rem;padding:.2rem 0}
blockquote{margin:0;background:var(--card);border-radius:.5rem;padding:.8rem 1rem;white-space:pre-wrap;
overflow-wrap:anywhere}
.c-sent,.s-sent{color:var(--sent)}.c-delivered,.s-delivered{color:var(--delivered)}
.s-launched{color:var(--launched)}.s-queued{color:var(--queued)}.s-failed{color:var(--failed)}
.s-rejected{color:var(--rejected)}.s-expired{color:var(--expired)}.s-uncertain{color:var(--uncertain)}
.s-cancelled{color:var(--cancelled)}.s-skipped{color:var(--skipped)}
@media (max-width:30rem){h1{font-size:1.4rem}.tiles dd{font-size:1.25rem}
.times span:nth-child(even){display:none}
table{font-size:.875rem}th,td{padding-left:.5rem}th:first-child{width:100%}}
@media print{:root{--ground:#fff;--card:#f2f3f5;--ink:#000;--quiet:#333;--line:#999;--grid:#ccc}
body{font-size:11pt}main{max-width:none;padding:0}section{break-inside:avoid}
details{display:none}.scroll{overflow:visible}svg,.swatch{print-color-adjust:exact}}
""".strip().replace("\n", "")
