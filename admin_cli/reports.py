"""`siaran report`: what became of the messages."""

from __future__ import annotations

import csv
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations.reports import Report

app = noun("What became of the messages.")

_HEADER = ["mobile", "state_at", "sent_at", "reason", *(f"param{n}" for n in range(1, 7))]


@command(
    app,
    "campaign",
    "siaran report campaign 12 --definitions",
    "siaran report campaign 12 --csv failed -o failed.csv",
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
    definitions: Annotated[
        bool, typer.Option("--definitions", help="say what each state means")
    ] = False,
) -> None:
    """Count a campaign's messages by state, or list the numbers that are in one."""
    if status is not None:
        _numbers(desk, campaign_id, status, output)
        return
    if output is not None:
        raise typer.BadParameter("-o says where --csv writes to; give --csv STATUS, too")
    from engine.clock import utc_now
    from engine.operations import reports

    report = desk.run(reports.campaign, campaign_id, now=utc_now())
    if desk.json:
        more = {"definitions": dict(reports.DEFINITIONS)} if definitions else {}
        desk.card(dataclasses.asdict(report) | more)
        return
    desk.card(report, f"campaign {report.id}")
    _table(desk, report, definitions)


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
    columns = ("state", "messages", "share", *(["meaning"] if definitions else []))
    desk.rows(rows, *columns, empty="no messages yet: the campaign has not started")


def _numbers(desk: Desk, campaign_id: int, status: str, output: Path | None) -> None:
    from engine.operations import Refused, reports
    from engine.operations.spreadsheet import guarded

    state = reports.state_of(status)
    count = 0
    with desk.database() as database:
        numbers = reports.numbers(database, desk.actor(), campaign_id, state)
        if desk.json:
            desk.rows(numbers)
            return
        try:
            target = output.open("w", encoding="utf-8", newline="") if output else sys.stdout
        except OSError as error:
            raise Refused(f"{output}: can't be written: {error.strerror}") from None
        out = csv.writer(target, lineterminator="\n")
        out.writerow(_HEADER)
        for number in numbers:
            times = (t.isoformat() if t else "" for t in (number.state_at, number.sent_at))
            params = map(guarded, number.params)
            out.writerow([number.mobile, *times, guarded(number.reason or ""), *params])
            count += 1
        if output:
            target.close()
    desk.note(f"{count:,} numbers written to {output or 'stdout'}")
