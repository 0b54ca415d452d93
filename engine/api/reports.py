"""/v1/reports: all campaigns of a month, and who has sent how much (R-7.6, R-7.7)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from engine import clock
from engine.api.bodies import Body, Plain
from engine.api.downloads import CSV, Rows, csv_of
from engine.api.pages import MOST
from engine.api.service import Asker, Served
from engine.operations import Database, reports
from engine.operations.reports import Report, Volumes
from engine.operations.spreadsheet import guarded

router = APIRouter(tags=["reports"])


class Month(Body):
    """Which month, of the scheduled time: 2026-11."""

    month: Annotated[Plain, Field(min_length=1, max_length=10)]


class Wanted(Body):
    """Of which month or year (2026-11, 2026), and which page of it."""

    period: Annotated[Plain | None, Field(min_length=1, max_length=10)] = None
    everywhere: Annotated[
        bool, Field(description="of all applications, which only an admin may see")
    ] = False
    rows: Annotated[int, Field(ge=1, le=MOST, description="of a page")] = 50
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1


@router.get("/reports/monthly", summary="The campaigns of a month")
async def monthly(asked: Annotated[Month, Query()], api: Served, actor: Asker) -> list[Report]:
    """All that were scheduled in it, by time, in the application's time zone."""
    now = clock.utc_now()
    return await api.work(
        lambda database: list(reports.monthly(database, actor, asked.month, now=now))
    )


@router.get(
    "/reports/monthly.csv",
    summary="The campaigns of a month as CSV",
    response_class=StreamingResponse,
    responses=CSV,
)
async def download(
    asked: Annotated[Month, Query()], api: Served, actor: Asker
) -> StreamingResponse:
    """A line each, with a column for each state."""
    now = clock.utc_now()

    def rows(database: Database) -> Rows:
        for one in reports.monthly(database, actor, asked.month, now=now):
            row = reports.monthly_row(one)
            yield ["" if value is None else guarded(str(value)) for value in row]

    return await csv_of(api, reports.MONTHLY, rows, name="monthly.csv")


@router.get("/reports/volumes", summary="Who has sent how much")
async def volumes(asked: Annotated[Wanted, Query()], api: Served, actor: Asker) -> Volumes:
    """Campaigns that have started, the newest first, a page at a time."""
    return await api.ask(
        reports.user_volumes,
        actor,
        period=asked.period,
        everywhere=asked.everywhere,
        rows=asked.rows,
        page=asked.page,
    )
