"""Why a campaign is not sending, in one line that is right whatever holds it up (R-3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.domain.campaign import (
    DEFINITIONS,
    CampaignFacts,
    CampaignState,
    Hold,
    Holding,
    held,
    in_line,
)
from engine.domain.draft import rate_text
from engine.domain.way_out import WayOut, hindrance, moment

__all__ = ["Stragglers", "why"]


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
    hold = held(campaign, now)
    match campaign.state:
        case CampaignState.SCHEDULED if campaign.scheduled_at > now:
            return f"it is scheduled for {_shown(campaign.scheduled_at, zone)}"
        case CampaignState.SCHEDULED | CampaignState.WAITING if hold is not None:
            return _why_held(campaign, hold, stragglers, zone)
        case CampaignState.SCHEDULED | CampaignState.WAITING:
            return hindrance(way, zone) or _why_queued(campaign, campaigns, now)
        case CampaignState.RUNNING:
            waiting = _why_later(campaign, stragglers, zone)
            later = stragglers.refused + stragglers.routed + stragglers.unrouted
            if hold is not None and hold.by in (Holding.HOURS, Holding.QUOTA):
                begin = _why_held(campaign, hold, stragglers, zone)
            elif waiting and campaign.unlaunched <= later:
                begin = "nothing of it can be launched now"
            else:
                begin = f"it is sending: {campaign.unlaunched:,} to launch, {campaign.in_flight:,} in flight"
                if campaign.rate is not None:
                    begin += f", at most {rate_text(campaign.rate)}"
            return hindrance(way, zone) or "; ".join((begin, *waiting))
        case CampaignState.FINISHING:
            left = campaign.unlaunched + campaign.in_flight
            begin = f"all that could be launched has been; {left:,} have no outcome yet"
            lines = (begin, *_why_closed(campaign, zone), *_why_later(campaign, stragglers, zone))
            only_held = 0 < left <= stragglers.held
            return "; ".join(lines) if only_held else hindrance(way, zone) or "; ".join(lines)
        case CampaignState.PAUSED if pause_reason:
            return f"it is paused: {pause_reason}"
        case _:
            sentence = DEFINITIONS[campaign.state].removesuffix(".")
            return f"it is {campaign.state}: {sentence[0].lower()}{sentence[1:]}"


def _why_held(campaign: CampaignFacts, hold: Hold, stragglers: Stragglers, zone: ZoneInfo) -> str:
    """It could not send if it had the turn."""
    until = None if hold.until is None else moment(hold.until, zone)
    match hold.by:
        case Holding.HOURS:
            which = (
                "the hours of its recipients" if campaign.recipient_time else "its sending hours"
            )
            return f"it waits for {which}, which open at {until}; see `siaran hours show`"
        case Holding.QUOTA:
            return (
                f"the daily quota of its application is used up; it goes on at {until}; "
                "see `siaran setting ls`"
            )
        case Holding.ROUTE | Holding.RETRY:
            lines = _why_later(campaign, stragglers, zone)
            return "; ".join(("nothing of it can be launched now", *lines))


def _why_closed(campaign: CampaignFacts, zone: ZoneInfo) -> list[str]:
    """What keeps the stragglers of a finishing one, too."""
    hold = campaign.hold
    if not campaign.unlaunched or hold is None or hold.by is not Holding.HOURS or not hold.until:
        return []
    return [f"outside its sending hours, which open at {moment(hold.until, zone)}"]


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
    """Whom it waits for. One that yielded is told who took over."""
    for one in campaigns:
        if one.state is CampaignState.RUNNING and one.id != campaign.id:
            line = (
                f"campaign {one.id} is sending, {one.unlaunched:,} to launch; one sends at a time"
            )
            first = next(iter(in_line([*_others(campaign, campaigns), campaign], now)), campaign)
            mine = campaign.yielded_at is not None and first.id == campaign.id
            return f"{line}; this one gave the turn away, and is next" if mine else line
    first = next(iter(in_line([*_others(campaign, campaigns), campaign], now)), campaign)
    if first.id != campaign.id:
        return f"it comes after campaign {first.id}, which is next; one sends at a time"
    return "it is next, and starts at once"


def _others(campaign: CampaignFacts, campaigns: Sequence[CampaignFacts]) -> list[CampaignFacts]:
    return [one for one in campaigns if one.id != campaign.id]


def _shown(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"
