"""`siaran campaign`: from a message and a list to messages on their way, and how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from admin_cli.campaign_making import Id
from admin_cli.campaign_preview import app as app
from admin_cli.desk import Desk, command

if TYPE_CHECKING:
    from engine.operations.campaigns import Shown


@command(
    app,
    "ls",
    "siaran campaign ls --status running",
    "siaran campaign ls --list customers --month 2026-11 --json",
)
def ls(
    desk: Desk,
    status: Annotated[
        str | None, typer.Option("--status", metavar="S", help="scheduled, running, completed, …")
    ] = None,
    list_name: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="those to this list")
    ] = None,
    content: Annotated[
        str | None, typer.Option("--content", metavar="TEXT", help="part of the message")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="B", help="exactly this reference")
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", metavar="M", help="scheduled in 2026-11")
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="the newest N; 0: all")
    ] = 100,
) -> None:
    """List the campaigns, the newest first."""
    from engine.operations import campaigns

    found = desk.run(
        campaigns.ls,
        state=status,
        list_name=list_name,
        content=content,
        batch=batch,
        month=month,
        limit=rows or None,
    )
    columns = ("id", "state", "list", "batch", "scheduled_at", "recipients", "text")
    desk.rows(found, *columns, empty="no campaigns were found")
    desk.more(len(found), rows)


@command(app, "show", "siaran campaign show 12", "siaran campaign show 12 --json")
def show(desk: Desk, campaign_id: Id) -> None:
    """Show a campaign, its counts, and why it is not sending."""
    from engine.clock import utc_now
    from engine.operations import campaigns

    shown = desk.run(campaigns.show, campaign_id, now=utc_now())
    desk.card(_record(shown, flat=not desk.json))


@command(app, "watch", "siaran campaign watch 12", "siaran campaign watch 12 | tee progress.txt")
def watch(desk: Desk, campaign_id: Id) -> None:
    """Follow a campaign until it has ended: counts by state, rate, time to go, why it waits.

    With --json nothing is shown before the end, and then the last counts.
    """
    from admin_cli import watching
    from engine.clock import utc_now
    from engine.operations import campaigns

    actor = desk.actor()
    with desk.database() as database:
        last = watching.follow(
            lambda: database.run(campaigns.progress, actor, campaign_id),
            why=lambda: database.run(campaigns.show, actor, campaign_id, now=utc_now()).why,
            quiet=desk.json,
        )
    sentence = f"campaign {campaign_id} is {last.state}; see `siaran report campaign {campaign_id}`"
    desk.done(sentence, last)


@command(
    app,
    "pause",
    "siaran campaign pause 12 --yes",
    'siaran campaign pause 12 --reason "the price is wrong"',
)
def pause(
    desk: Desk,
    campaign_id: Id,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="what `show` says then")
    ] = None,
) -> None:
    """Hold a campaign, after a confirmation: nothing more of it is launched until `resume`.

    What is on its way goes on, and the next campaign has the turn.
    """
    from engine.clock import utc_now
    from engine.operations import campaigns

    desk.confirm(f"Pause campaign {campaign_id}?")
    paused = desk.run(campaigns.pause, campaign_id, reason=reason, now=utc_now())
    desk.done(f"campaign {campaign_id} is paused", paused)


@command(app, "resume", "siaran campaign resume 12", "siaran campaign resume 12 --yes")
def resume(desk: Desk, campaign_id: Id) -> None:
    """Let a paused campaign go on, after a confirmation; it gets its place in the queue back."""
    from engine.clock import utc_now
    from engine.operations import campaigns

    desk.confirm(f"Resume campaign {campaign_id}?")
    resumed = desk.run(campaigns.resume, campaign_id, now=utc_now())
    desk.done(
        f"campaign {campaign_id} is {resumed.state}; follow it with `siaran campaign watch "
        f"{campaign_id}`",
        resumed,
    )


@command(app, "stop", "siaran campaign stop 12", "siaran campaign stop 12 --yes")
def stop(desk: Desk, campaign_id: Id) -> None:
    """End a campaign that has started, for ever, after a confirmation.

    What is unsent is cancelled; what is on its way can't be called back.
    """
    from engine.clock import utc_now
    from engine.operations import campaigns

    progress = desk.run(campaigns.progress, campaign_id)
    unsent = progress.counts[campaigns.MessageState.QUEUED]
    desk.confirm(f"Stop campaign {campaign_id} for ever? {unsent:,} of its messages are unsent.")
    stopped = desk.run(campaigns.stop, campaign_id, now=utc_now())
    desk.done(
        f"campaign {campaign_id} is stopped; see `siaran report campaign {campaign_id}`", stopped
    )


@command(app, "delete", "siaran campaign delete 12", "siaran campaign delete 12 --yes")
def delete(desk: Desk, campaign_id: Id) -> None:
    """Take a campaign that has not started, or has ended, out of sight, after a confirmation.

    One that has not started is cancelled with it. Its messages and the log stay.
    """
    from engine.clock import utc_now
    from engine.operations import campaigns

    found = desk.run(campaigns.get, campaign_id)
    desk.confirm(f"Delete campaign {campaign_id} ({found.state}, list {found.list})?")
    gone = desk.run(campaigns.delete, campaign_id, now=utc_now())
    desk.done(f"campaign {campaign_id} is deleted", gone)


@command(app, "cancel", "siaran campaign cancel 12", "siaran campaign cancel 12 --yes")
def cancel(desk: Desk, campaign_id: Id) -> None:
    """Cancel a campaign that has not started, after a confirmation."""
    from engine.clock import utc_now
    from engine.operations import campaigns

    desk.confirm(f"Cancel campaign {campaign_id}?")
    cancelled = desk.run(campaigns.cancel, campaign_id, now=utc_now())
    desk.done(f"campaign {campaign_id} is cancelled", cancelled)


def _record(shown: Shown, *, flat: bool) -> dict[str, Any]:
    """The campaign's own fields with its counts: below them for JSON, among them for a person."""
    import dataclasses

    from engine.operations.drafts import rate_text

    counts = {state.value: n for state, n in shown.progress.counts.items()}
    record = dataclasses.asdict(shown.campaign) | {"planned": shown.planned, "why": shown.why}
    record["respect_hours"] |= shown.campaign.quick  # quick ones always do
    if flat:
        if shown.campaign.rate is not None:
            record["rate"] = rate_text(shown.campaign.rate)
        record |= {state: n for state, n in counts.items() if n}
        return record | ({"held": shown.held} if shown.held else {})
    return record | {"counts": counts, "held": shown.held}
