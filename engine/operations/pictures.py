"""Pictures as SVG inside a page: bars in tables, and a rate over time.

Drawn here and not by a library: those that were looked at write scripts, fonts or colours of their
own into the picture, and a page must be legible in the dark, on paper and on a telephone. A picture
is stretched to the room there is, so no word stands in it: words are HTML beside it, and colours are
the page's classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from html import escape
from typing import Final, NamedTuple

BAR: Final = 1000
"""Units that the whole length of a bar has; less than one is drawn as one, so that it is seen."""

WIDE, HIGH = 1000, 200


class Part(NamedTuple):
    """A part of a bar: the page's class for its colour, and how much it is of the whole."""

    kind: str
    share: float


def bar(parts: Sequence[Part], label: str | None = None) -> str:
    """A bar whose parts stand side by side; without a label it repeats what a table says beside it."""
    drawn = []
    at = 0.0
    for part in parts:
        if part.share <= 0:
            continue
        width = max(part.share * BAR, 1.0)
        drawn.append(f'<rect class="{part.kind}" x="{at:.1f}" width="{width:.1f}" height="10"/>')
        at += part.share * BAR
    named = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return (
        f'<svg class="bar" viewBox="0 0 {BAR} 10" preserveAspectRatio="none" {named}>'
        f"{''.join(drawn)}</svg>"
    )


class Series(NamedTuple):
    """One line of the rate over time: its name, the page's class, and messages by moment."""

    name: str
    kind: str
    counts: Mapping[int, int]


class Axis(NamedTuple):
    """What the height of the picture stands for."""

    top: float
    unit: str  # s, min or h
    factor: float  # from messages a moment to messages a unit


def axis(most: int, width_s: int) -> Axis:
    """The axis for moments of `width_s` of which the fullest has `most` messages.

    In the largest unit that leaves no rate below one; its top is a round number.

    >>> axis(950, 10), axis(3, 600)
    (Axis(top=100.0, unit='s', factor=0.1), Axis(top=20.0, unit='h', factor=6.0))
    """
    units = (("s", 1.0), ("min", 60.0), ("h", 3600.0))
    unit, seconds = next(((u, s) for u, s in units if most * s / width_s >= 1), units[-1])
    factor = seconds / width_s
    return Axis(top=_round_up(most * factor), unit=unit, factor=factor)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, … that is not below it."""
    scale = 1.0
    while True:
        for step in (1, 2, 5):
            if value <= step * scale:
                return step * scale
        scale *= 10


def rate(
    begins: Sequence[int], width_s: int, series: Sequence[Series], zone: tzinfo, title: str
) -> str:
    """The rate over time: the first series as a filled shape, the others as lines over it."""
    most = max(max(one.counts.values(), default=0) for one in series)
    scale = axis(most, width_s)
    columns = len(begins)

    def y(n: int) -> float:
        return HIGH - n * scale.factor / scale.top * HIGH

    drawn = [
        f'<line class="grid" x1="0" x2="{WIDE}" y1="{HIGH * part:.0f}" y2="{HIGH * part:.0f}"/>'
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for index, one in enumerate(series):
        path = "".join(
            f"V{y(one.counts.get(begin, 0)):.1f}H{(n + 1) * WIDE / columns:.1f}"
            for n, begin in enumerate(begins)
        )
        closed = f"M0,{HIGH}{path}V{HIGH}" + ("Z" if index == 0 else "")
        drawn.append(f'<path class="{"area" if index == 0 else "line"} {one.kind}" d="{closed}"/>')
    heights = "".join(f"<span>{_number(scale.top * part)}</span>" for part in (1.0, 0.5, 0.0))
    last = begins[-1] + width_s
    marks = [begins[0] + (last - begins[0]) * part // 4 for part in (0, 1, 2, 3, 4)]
    long_one = last - begins[0] >= 2 * 86_400
    times = "".join(f"<span>{_time(mark, zone, long_one, width_s)}</span>" for mark in marks)
    return (
        f'<div class="rate"><div class="heights" aria-hidden="true">{heights}</div>'
        f'<svg viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(title)}">{"".join(drawn)}</svg>'
        f'<div class="times" aria-hidden="true">{times}</div></div>'
        f'<p class="unit">messages a{"n" if scale.unit == "h" else ""}'
        f" { {'s': 'second', 'min': 'minute', 'h': 'hour'}[scale.unit] }</p>"
    )


def _time(second: int, zone: tzinfo, long_one: bool, width_s: int) -> str:
    at = datetime.fromtimestamp(second, UTC).astimezone(zone)
    if long_one:
        return f"{at:%d %b}"
    return f"{at:%H:%M:%S}" if width_s < 60 else f"{at:%H:%M}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
