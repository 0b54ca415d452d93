"""A campaign: its states, its time, and whose turn it is to send; `why` says why one is not.

    scheduled → waiting → running → finishing → completed
        └──────────────────↗ │ ↖
                             ↓  └ paused, waiting (for its hours, a route)

In an application one campaign has the turn: the one that is `running`. When all of it that can be
launched has been, it is `finishing`; the turn passes on, and its stragglers go in the background.
While nothing of it could be launched (its hours are closed, its route is down), it waits; it is next
in line when the one that took over finishes.
A campaign is over (ENDED) when each recipient has a final submit outcome, or when a person or its
time limit ends it (R-3.4, R-3.8, R-3.9). The same ten words stand in SQL, the command line and
documents.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from engine.domain.errors import Refused
from engine.domain.suggest import did_you_mean

SLOT: Final = timedelta(minutes=10)
"""Scheduled times lie on these (R-3.3)."""


class CampaignState(StrEnum):
    """Where a campaign stands; the order is that of its life."""

    SCHEDULED = "scheduled"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHING = "finishing"
    COMPLETED = "completed"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


DEFINITIONS: Final[Mapping[CampaignState, str]] = MappingProxyType(
    {
        CampaignState.SCHEDULED: "Its time has not come yet.",
        CampaignState.WAITING: "It is due and waits for its turn, its sending hours or a route.",
        CampaignState.RUNNING: "It has the turn: its messages are being launched.",
        CampaignState.PAUSED: "Held by a person until it is resumed.",
        CampaignState.FINISHING: "All that can be launched has been; the last outcomes are awaited.",
        CampaignState.COMPLETED: "Each recipient has a final submit outcome.",
        CampaignState.STOPPED: "Ended by a person after it had begun; what was unsent is cancelled.",
        CampaignState.CANCELLED: "Called off by a person before anything of it was sent.",
        CampaignState.EXPIRED: "Its time limit passed before all of it could be sent.",
    }
)
"""One sentence each, for listings and reports."""

_S = CampaignState
LEGAL: Final[Mapping[CampaignState, frozenset[CampaignState]]] = MappingProxyType(
    {
        _S.SCHEDULED: frozenset({_S.WAITING, _S.RUNNING, _S.CANCELLED, _S.EXPIRED}),
        _S.WAITING: frozenset(
            {
                *(_S.SCHEDULED, _S.RUNNING, _S.PAUSED),
                *(_S.COMPLETED, _S.STOPPED, _S.CANCELLED, _S.EXPIRED),
            }
        ),
        _S.RUNNING: frozenset(
            {_S.WAITING, _S.PAUSED, _S.FINISHING, _S.COMPLETED, _S.STOPPED, _S.EXPIRED}
        ),
        _S.PAUSED: frozenset({_S.WAITING, _S.COMPLETED, _S.STOPPED, _S.EXPIRED}),
        _S.FINISHING: frozenset({_S.COMPLETED, _S.STOPPED, _S.EXPIRED}),
        _S.COMPLETED: frozenset(),
        _S.STOPPED: frozenset(),
        _S.CANCELLED: frozenset(),
        _S.EXPIRED: frozenset(),
    }
)
"""What may follow a state. Before its start a `waiting` one may be edited, which schedules it anew,
and cancelled; after it only stopped."""

ENDED: Final = frozenset(state for state, following in LEGAL.items() if not following)
"""States that nothing follows."""


class Holding(StrEnum):
    """What keeps all that is left of a campaign from being launched."""

    HOURS = "hours"
    QUOTA = "quota"
    ROUTE = "route"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What keeps it from being launched, and until when; None: nobody knows."""

    by: Holding
    until: datetime | None = None


SOON: Final = timedelta(seconds=10)
"""What can be launched within this time is worth holding the turn for (R-3.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFacts:
    """What the queue must know of a campaign to decide about it.

    `unlaunched`: recipients of whom nothing was launched yet, message rows or not; `in_flight`:
    messages that are launched or uncertain, without a final submit outcome. Of one that has not
    `begun`, nobody has counted. `yielded_at`: it had the turn and gave it away; `hold` None: some of
    it can be launched.
    """

    id: int
    state: CampaignState
    scheduled_at: datetime
    created_at: datetime
    unlaunched: int
    in_flight: int
    begun: bool = False
    yielded_at: datetime | None = None
    not_after: datetime | None = None
    hold: Hold | None = None
    rate: float | None = None
    recipient_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A step that the queue takes; the reason is for the log. `yields`: it is next in line."""

    campaign_id: int
    to_state: CampaignState
    reason: str
    yields: bool = False


def next_turn(campaigns: Iterable[CampaignFacts], now: datetime) -> list[Transition]:
    """Decide what becomes of one application's campaigns now: at most one has the turn (R-3.4).

    The one that has it keeps it while something of it could be launched now or soon. Held up by
    hours, a route or a quota it yields; when only retries are left of it, it is finishing. Then the
    first of those that could send takes over: first those that yielded, then by scheduled time, then
    creation, then id. `[]` when all are where they belong.
    """
    steps: list[Transition] = []
    holder: int | None = None
    in_order = sorted(campaigns, key=_place)
    going: list[CampaignFacts] = []
    for one in in_order:
        step = _end(one, now)
        if step is not None:
            steps.append(step)
        elif one.state is CampaignState.RUNNING and one.unlaunched == 0:
            reason = f"all is launched, {one.in_flight:,} in flight"
            steps.append(_to(one, CampaignState.FINISHING, reason))
        elif one.state is CampaignState.RUNNING and holder is not None:
            steps.append(_to(one, CampaignState.WAITING, f"campaign {holder} has the turn"))
        elif one.state is CampaignState.RUNNING and (hold := held(one, now)) is not None:
            if hold.by is Holding.RETRY:
                reason = "all that can be launched has been; the rest is to be tried again"
                steps.append(_to(one, CampaignState.FINISHING, reason))
            else:
                reason = f"nothing of it can be launched now: {hold.by}"
                steps.append(_to(one, CampaignState.WAITING, reason, yields=True))
        elif one.state is CampaignState.RUNNING:
            holder = one.id
        elif one.state in _QUEUED and one.scheduled_at <= now:
            going.append(one)
    for one in going:
        hold = held(one, now)
        if hold is None and holder is None:
            holder = one.id
            steps.append(_to(one, CampaignState.RUNNING, "it is due, and the turn is free"))
        elif one.state is CampaignState.SCHEDULED:
            reason = f"campaign {holder} has the turn" if hold is None else f"it waits: {hold.by}"
            steps.append(_to(one, CampaignState.WAITING, reason))
    return steps


def held(one: CampaignFacts, now: datetime) -> Hold | None:
    """What keeps a campaign from launching anything now and soon; None: nothing does."""
    hold = one.hold
    return None if hold is None or (hold.until and hold.until <= now + SOON) else hold


def in_line(campaigns: Iterable[CampaignFacts], now: datetime) -> list[CampaignFacts]:
    """Those that wait for the turn and could use it, the next one first."""
    waiting = [one for one in campaigns if one.state in _QUEUED and one.scheduled_at <= now]
    return sorted((one for one in waiting if held(one, now) is None), key=_place)


_QUEUED: Final = (CampaignState.SCHEDULED, CampaignState.WAITING)
_OPEN: Final = (*_QUEUED, CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.FINISHING)


def _place(one: CampaignFacts) -> tuple[bool, datetime, datetime, datetime, int]:
    """Its place in line. Those that yielded come back in the order in which they did."""
    yielded = one.yielded_at
    return (
        yielded is None,
        yielded or one.scheduled_at,
        one.scheduled_at,
        one.created_at,
        one.id,
    )


def _end(one: CampaignFacts, now: datetime) -> Transition | None:
    """The end of a campaign of which nothing is left, or whose time limit has passed."""
    if one.state not in _OPEN:
        return None
    begun = one.begun or one.state in (CampaignState.RUNNING, CampaignState.FINISHING)
    if begun and one.unlaunched + one.in_flight == 0:
        return _to(one, CampaignState.COMPLETED, "each recipient has a final submit outcome")
    late = one.not_after is not None and one.not_after <= now
    if late and (one.unlaunched or not begun):
        return _to(one, CampaignState.EXPIRED, "its time limit has passed, and some is unsent")
    return None


def _to(
    one: CampaignFacts, state: CampaignState, reason: str, *, yields: bool = False
) -> Transition:
    return Transition(campaign_id=one.id, to_state=state, reason=reason, yields=yields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A time on a slot, and what the user should know of how it was understood."""

    at_utc: datetime
    notices: tuple[str, ...] = ()


def zone(name: str) -> ZoneInfo:
    """Return the time zone of that name. Raises Refused, with the nearest names."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no name at all; a directory of zones
        near = did_you_mean(name, available_timezones())
        hint = near or "; write it like Pacific/Auckland"
        raise Refused(f'time zone "{name}": not known{hint}') from None


_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(?::00(?:\.0+)?)? ?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)


def schedule(text: str, zone: ZoneInfo, now: datetime) -> Scheduled:
    """Return the time that `text` (`2026-12-01 09:10`) means in `zone`, on a slot (R-3.3).

    With `Z` or an offset it means that moment; the slots are those of `zone` all the same. A time
    that the clocks skip moves to the next slot there is, one that comes twice is the first, both
    with a notice. Raises Refused for what is no time, not on a slot (naming the two nearest), or
    in the past.
    """
    written = time_of(text, zone)
    at = written.at_utc
    local = at.astimezone(zone)
    if at < now:
        raise Refused(
            f'time "{text}": is in the past, it is {_shown(now, zone)} now; '
            f"the next slot is {_shown(_slots(now, zone)[1], zone)}"
        )
    if local.minute % 10 or local.second:
        before, after = _slots(at, zone)
        if before < now:
            before, after = after, after + SLOT
        raise Refused(
            f'time "{text}": not on a 10-minute slot; the nearest are '
            f"{_shown(before, zone)} and {_shown(after, zone)}"
        )
    return written


def time_of(text: str, zone: ZoneInfo) -> Scheduled:
    """Return the time that `text` means in `zone`, as `schedule` does, on a slot or not."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise Refused(f'time "{text}": write it as 2026-12-01 09:10')
    day, clock, offset = match.groups()
    try:
        written = datetime.fromisoformat(f"{day} {clock}{offset or ''}")
    except ValueError:
        raise Refused(f'time "{text}": there is no such day or hour') from None
    if not 1970 <= written.year < 9999:  # at the ends of time a time zone leads out of it
        raise Refused(f'time "{text}": write a year after 1969 and before 9999')
    at, notices = (written.astimezone(UTC), ()) if offset else _of_the_clock(written, zone)
    return Scheduled(at_utc=at, notices=notices)


def _of_the_clock(written: datetime, zone: ZoneInfo) -> tuple[datetime, tuple[str, ...]]:
    """Find the moment at which the clocks of `zone` show `written`, and say if that is unusual."""
    first, second = (written.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first, ()
    if first < second:
        return first, (f"{written:%Y-%m-%d %H:%M} comes twice in {zone.key}; the first is taken",)
    # Skipped: up by whole slots until the clocks show it.
    moved = written
    while moved.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moved:
        moved += SLOT
    notice = (
        f"{written:%Y-%m-%d %H:%M} does not exist in {zone.key}, the clocks skip it; "
        f"moved to {moved:%Y-%m-%d %H:%M}"
    )
    return moved.replace(tzinfo=zone).astimezone(UTC), (notice,)


def _slots(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the slots of `zone` round `at`, which is on none, or the one it is on and the next."""
    local = at.astimezone(zone)
    since = timedelta(
        minutes=local.minute % 10, seconds=local.second, microseconds=local.microsecond
    )
    before = at.astimezone(UTC) - since
    return before, before + SLOT


def _shown(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
