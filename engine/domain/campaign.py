"""A campaign: its states, its time, whose turn it is to send, and why one is not sending.

    scheduled → waiting → running → finishing → completed
        └──────────────────↗ │ ↖
                             ↓  └ paused, waiting (for its hours, a route)

In an application one campaign has the turn: the one that is `running`. When all of it that can be
launched has been, it is `finishing`; the turn passes on, and its stragglers go in the background.
A campaign is over (ENDED) when each recipient has a final submit outcome, or when a person or its
time limit ends it (R-3.4, R-3.8, R-3.9). The same ten words stand in SQL, the command line and
documents.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from engine.domain.errors import Refused
from engine.domain.suggest import did_you_mean
from engine.domain.way_out import WayOut, hindrance, moment

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
        CampaignState.STOPPED: "Ended by a person after it had begun; what was unsent stays unsent.",
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
            {_S.SCHEDULED, _S.RUNNING, _S.PAUSED, _S.STOPPED, _S.CANCELLED, _S.EXPIRED}
        ),
        _S.RUNNING: frozenset(
            {_S.WAITING, _S.PAUSED, _S.FINISHING, _S.COMPLETED, _S.STOPPED, _S.EXPIRED}
        ),
        _S.PAUSED: frozenset({_S.WAITING, _S.STOPPED, _S.EXPIRED}),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFacts:
    """What the queue must know of a campaign to decide about it.

    `unlaunched`: recipients of whom nothing was launched yet, message rows or not; `in_flight`:
    messages that are launched or uncertain, without a final submit outcome.
    """

    id: int
    state: CampaignState
    scheduled_at: datetime
    created_at: datetime
    unlaunched: int
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A step that the queue takes; the reason is for the log."""

    campaign_id: int
    to_state: CampaignState
    reason: str


def next_turn(campaigns: Iterable[CampaignFacts], now: datetime) -> list[Transition]:
    """Decide what becomes of one application's campaigns now: at most one has the turn (R-3.4).

    The one that has it keeps it while something of it is left to launch; then the first of those
    that are due takes over, in order of scheduled time, then creation, then id. `[]` when all are
    where they belong.
    """
    steps: list[Transition] = []
    holder: int | None = None
    in_order = _in_order(campaigns)
    for one in in_order:
        match one.state:
            case CampaignState.RUNNING | CampaignState.FINISHING if not _left(one):
                reason = "each recipient has a final submit outcome"
                steps.append(_to(one, CampaignState.COMPLETED, reason))
            case CampaignState.RUNNING if one.unlaunched == 0:
                reason = f"all is launched, {one.in_flight:,} in flight"
                steps.append(_to(one, CampaignState.FINISHING, reason))
            case CampaignState.RUNNING if holder is None:
                holder = one.id
            case CampaignState.RUNNING:
                steps.append(_to(one, CampaignState.WAITING, f"campaign {holder} has the turn"))
    for one in in_order:
        if one.state not in _QUEUED or one.scheduled_at > now:
            continue
        if holder is None:
            holder = one.id
            steps.append(_to(one, CampaignState.RUNNING, "it is due, and the turn is free"))
        elif one.state is CampaignState.SCHEDULED:
            steps.append(_to(one, CampaignState.WAITING, f"campaign {holder} has the turn"))
    return steps


_QUEUED: Final = (CampaignState.SCHEDULED, CampaignState.WAITING)


def _in_order(campaigns: Iterable[CampaignFacts]) -> list[CampaignFacts]:
    return sorted(campaigns, key=lambda one: (one.scheduled_at, one.created_at, one.id))


def _left(one: CampaignFacts) -> int:
    return one.unlaunched + one.in_flight


def _to(one: CampaignFacts, state: CampaignState, reason: str) -> Transition:
    return Transition(campaign_id=one.id, to_state=state, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stragglers:
    """The messages of a campaign that can't be launched now, whatever the queue does.

    `refused` are tried again, the first of them at `retry_at`, most of them for `refusal`.
    `unanswered` are uncertain and sent again, or held when that is the setting (`hold`), from
    `resend_at` on. `held` are uncertain until a person resolves them (R-8.2). `routed` wait for a
    carrier of their route, and `unrouted` have no route (R-5.5). `routes` are those that they wait
    on, `down` the carriers that take nothing now, each with the reason.
    """

    refused: int = 0
    retry_at: datetime | None = None
    refusal: str | None = None
    unanswered: int = 0
    resend_at: datetime | None = None
    hold: bool = False
    held: int = 0
    routed: int = 0
    unrouted: int = 0
    routes: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


def why(
    campaign: CampaignFacts,
    campaigns: Sequence[CampaignFacts],
    now: datetime,
    zone: ZoneInfo,
    *,
    way: WayOut,
    stragglers: Stragglers,
    pause_reason: str | None = None,
) -> str:
    """Say in one line why `campaign` is not sending, or that it is (R-3.4).

    `campaigns` are those of its application, itself among them or not; times are shown in `zone`.
    What keeps all messages from leaving is said first: it keeps the campaign before it, too.
    """
    match campaign.state:
        case CampaignState.SCHEDULED if campaign.scheduled_at > now:
            return f"it is scheduled for {_shown(campaign.scheduled_at, zone)}"
        case CampaignState.SCHEDULED | CampaignState.WAITING:
            return hindrance(way, zone) or _why_queued(campaign, campaigns, now)
        case CampaignState.RUNNING:
            waiting = _why_later(campaign, stragglers, zone)
            later = stragglers.refused + stragglers.routed + stragglers.unrouted
            if waiting and campaign.unlaunched <= later:
                begin = "nothing of it can be launched now"
            else:
                begin = f"it is sending: {campaign.unlaunched:,} to launch, {campaign.in_flight:,} in flight"
            return hindrance(way, zone) or "; ".join((begin, *waiting))
        case CampaignState.FINISHING:
            begin = f"all that could be launched has been; {_left(campaign):,} have no outcome yet"
            line = "; ".join((begin, *_why_later(campaign, stragglers, zone)))
            only_held = 0 < _left(campaign) <= stragglers.held
            return line if only_held else hindrance(way, zone) or line
        case CampaignState.PAUSED if pause_reason:
            return f"it is paused: {pause_reason}"
        case _:
            sentence = DEFINITIONS[campaign.state].removesuffix(".")
            return f"it is {campaign.state}: {sentence[0].lower()}{sentence[1:]}"


def _why_later(campaign: CampaignFacts, stragglers: Stragglers, zone: ZoneInfo) -> list[str]:
    """What of it waits for something else than its turn, and for what."""
    lines: list[str] = []
    if stragglers.unrouted:
        lines.append(f"without a route: {stragglers.unrouted:,}; see [[routes]] in siaran.toml")
    if stragglers.routed:
        routes = "".join(f"route {route}; " for route in stragglers.routes)
        reason = ", ".join(stragglers.down) or "down, paused, or as fast as it may be"
        lines.append(
            f"waiting for a carrier of their route: {stragglers.routed:,} ({routes}{reason}; "
            "see `siaran carrier ls`)"
        )
    if stragglers.refused and stragglers.retry_at:
        reason = f" ({stragglers.refusal})" if stragglers.refusal else ""
        lines.append(
            f"refused and to be tried again: {stragglers.refused:,}{reason}, "
            f"the first at {moment(stragglers.retry_at, zone)}"
        )
    if stragglers.unanswered and stragglers.resend_at:
        lines.append(
            f"without an answer: {stragglers.unanswered:,}, "
            f"{'held' if stragglers.hold else 'sent again'} from "
            f"{moment(stragglers.resend_at, zone)} on if none comes"
        )
    if stragglers.held:
        lines.append(
            f"held, since nobody knows whether they arrived: {stragglers.held:,}; look with "
            f"`siaran message held --campaign {campaign.id}`, end it with `siaran message resolve "
            f"--campaign {campaign.id} resend` (or fail)"
        )
    return lines


def _why_queued(campaign: CampaignFacts, campaigns: Sequence[CampaignFacts], now: datetime) -> str:
    for one in campaigns:
        if one.state is CampaignState.RUNNING and one.id != campaign.id:
            return (
                f"campaign {one.id} is sending, {one.unlaunched:,} to launch; one sends at a time"
            )
    due = [one for one in campaigns if one.state in _QUEUED and one.scheduled_at <= now]
    first = next(iter(_in_order(due)), campaign)
    if first.id != campaign.id:
        return f"it comes after campaign {first.id}, which is next; one sends at a time"
    return "it is next, and starts at once"


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
