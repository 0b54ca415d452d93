"""`siaran report`: what became of the messages, what a month had, who has sent how much."""

from __future__ import annotations

import csv
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from admin_cli.desk import Desk, command, noun
from admin_cli.files import Output, counted, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.operations.reports import Report

app = noun("What became of the messages.")

_HEADER = ["mobile", "state_at", "sent_at", "reason", *(f"param{n}" for n in range(1, 7))]


@command(
    app,
    "campaign",
    "siaran report campaign 12 --definitions",
    "siaran report campaign 12 --csv failed -o failed.csv",
    "siaran report campaign 12 --html report.html",
)
def campaign(
    desk: Desk,
    campaign_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="the campaign's number")],
    status: Annotated[
        str | None,
        typer.Option("--csv", metavar="STATUS", help="the numbers in this state, as CSV"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="of --csv; default: stdout"),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="a page with pictures, complete in itself"),
    ] = None,
    definitions: Annotated[
        bool, typer.Option("--definitions", help="say what each state means")
    ] = False,
) -> None:
    """Count a campaign's messages by state, list the numbers in one, or draw it all as a page.

    The counts are those of this moment, and the CSV of a state has as many numbers as it counts.
    What was scrubbed for its age stands in it as `removed`.
    """
    if status is not None and html is not None:
        raise typer.BadParameter("--csv and --html are two reports; give one of them")
    if status is not None:
        _numbers(desk, campaign_id, status, output)
        return
    if output is not None:
        raise typer.BadParameter("-o says where --csv writes to; give --csv STATUS, too")
    if html is not None:
        _page(desk, campaign_id, html)
        return
    from engine.clock import utc_now
    from engine.operations import reports

    report = desk.run(reports.campaign, campaign_id, now=utc_now())
    if desk.json:
        more = {"definitions": dict(reports.DEFINITIONS)} if definitions else {}
        desk.card(dataclasses.asdict(report) | more)
        return
    desk.card(_record(report), f"campaign {report.id}")
    _table(desk, report, definitions)


@command(
    app,
    "monthly",
    "siaran report monthly 2026-11 -o november.csv",
    "siaran report monthly 2026-11 --json",
)
def monthly(
    desk: Desk,
    month: Annotated[str, typer.Argument(metavar="MONTH", help="as 2026-11")],
    output: Output = None,
) -> None:
    """Write a month's campaigns as CSV: each with its counts, segments, replies and opt-outs.

    Those scheduled in the month, in the application's time zone.
    """
    from admin_cli.render import plain
    from engine.clock import utc_now
    from engine.operations import reports
    from engine.operations.spreadsheet import guarded

    with desk.database() as database:
        found = reports.monthly(database, desk.actor(), month, now=utc_now())
        if desk.json:
            desk.rows(found)
            return
        first = next(found, None)  # before a file is made: the month may be none
        count = 0
        with writing(output) as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(reports.MONTHLY)
            while first is not None:
                values = map(plain, reports.monthly_row(first))
                out.writerow(
                    "" if v is None else guarded(v) if isinstance(v, str) else v for v in values
                )
                count += 1
                first = next(found, None)
    desk.note(f"{counted(count, 'campaign')} written to {output or 'stdout'}")


@command(
    app,
    "volumes",
    "siaran report volumes --month 2026-11 --app default",
    "siaran report volumes --month 2026 --rows 20 --page 2",
)
def volumes(
    desk: Desk,
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="M", help="started in 2026-11, or in all of 2026"),
    ] = None,
    all_apps: Annotated[
        bool, typer.Option("--all-apps", help="of every application, also where --app names one")
    ] = False,
    rows: Annotated[
        int, typer.Option("--rows", min=1, max=100_000, metavar="N", help="so many a page")
    ] = 50,
    page: Annotated[int, typer.Option("--page", min=1, metavar="K", help="the K-th page")] = 1,
) -> None:
    """Show who has sent how much: the campaigns that have started, the newest first.

    Of the application that --app or SIARAN_APP names; else of every one, which takes an admin.
    """
    from engine.operations import reports

    found = desk.run(
        reports.user_volumes,
        period=month,
        everywhere=all_apps or not desk.named,
        rows=rows,
        page=page,
    )
    if desk.json:
        desk.card(found)
        return
    columns = ("user", "company", "application", "campaign", "list", "recipients", "sent_at")
    when = f" in {month}" if month else ""
    desk.rows(found.rows, *columns, empty=f"no campaigns have started{when}")
    if found.campaigns:
        print(
            f"{counted(found.campaigns, 'campaign')}, {counted(found.recipients, 'recipient')}{when}"
        )
    if found.pages > 1:
        desk.note(f"page {found.page} of {found.pages}; --page K shows another")


def _record(report: Report) -> Mapping[str, Any]:
    """The report's fields for a person: how long as a person says it, and nothing removed unsaid."""
    from engine.operations.reports import span

    record = {one.name: getattr(report, one.name) for one in dataclasses.fields(report)}
    duration = record.pop("duration_s")
    fields = {}
    for name, value in record.items():
        if name == "removed" and not value:
            continue
        fields[name] = value
        if name == "ended_at" and duration is not None:
            fields["duration"] = span(duration)
    return fields


def _table(desk: Desk, report: Report, definitions: bool) -> None:
    from engine.operations.reports import DEFINITIONS

    total = sum(report.counts.values())
    rows = [
        {
            "state": state.value,
            "messages": n,
            "share": f"{n / total:.1%}" if total else "-",
            "meaning": DEFINITIONS[state],
        }
        for state, n in report.counts.items()
        if n or definitions
    ]
    columns: Sequence[str] = ("state", "messages", "share", *(["meaning"] if definitions else []))
    desk.rows(rows, *columns, empty="no messages yet: the campaign has not started")


def _numbers(desk: Desk, campaign_id: int, status: str, output: Path | None) -> None:
    from engine.operations import campaigns, reports
    from engine.operations.spreadsheet import guarded

    state = reports.state_of(status)
    count = gone = 0
    with desk.database() as database:
        database.run(campaigns.get, desk.actor(), campaign_id)  # before a file is made
        numbers = reports.numbers(database, desk.actor(), campaign_id, state)
        if desk.json:
            desk.rows(numbers)
            return
        with writing(output) as target:
            out = csv.writer(target, lineterminator="\n")
            out.writerow(_HEADER)
            for number in numbers:
                times = (t.isoformat() if t else "" for t in (number.state_at, number.sent_at))
                params = map(guarded, number.params)
                out.writerow([number.mobile, *times, guarded(number.reason or ""), *params])
                count += 1
                gone += number.mobile == reports.REMOVED
    where = output or "stdout"
    desk.note(
        f"{counted(count - gone, 'number')} written to {where}"
        + (f", and {counted(gone, 'line')} about what was removed for its age" if gone else "")
    )


def _page(desk: Desk, campaign_id: int, html: Path) -> None:
    from engine.clock import utc_now
    from engine.operations import report_page, reports

    now = utc_now()
    with desk.database() as database:
        pictured = reports.pictured(database, desk.actor(), campaign_id, now=now)
    page = report_page.page(pictured, now)
    if str(html) == "-":
        sys.stdout.write(page)
        return
    with writing(html) as file:
        file.write(page)
    size = len(page.encode()) / 1024
    desk.done(
        f"campaign {campaign_id}: {html} is written ({size:,.0f} kB); open it in a browser",
        {"campaign": campaign_id, "file": html, "octets": len(page.encode())},
    )
