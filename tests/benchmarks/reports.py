"""Reports: of a campaign of a million, beside ten million other messages of the same day.

One embedded PostgreSQL of its own, fsync on, the settings that everybody gets. The rows are written
by SQL, as the engine leaves them: the campaign's among those of another that ran at the same time,
in chunks, then the others'. Whole processes are timed, start included, as their user waits for
them: the report with its counts, the page with its pictures, the numbers of a state as CSV (with the
peak of the command's own memory), the month's campaigns as CSV, and one page of the volumes.

    python -m tests.benchmarks reports
    SIARAN_TEST_ROWS=100000 python -m tests.benchmarks reports --runs 1

SIARAN_TEST_ROWS is the size of the campaign; there are ten times as many other messages, and a
hundredth as many campaigns. A million need 8 GB of disk, and some minutes to be written.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg

from engine.clock import utc_now
from engine.store import migrations
from engine.store.db import Database, Tx
from tests.benchmarks.figures import Figure
from tests.benchmarks.imports import Run, siaran

ROWS = int(os.environ.get("SIARAN_TEST_ROWS", 1_000_000))

CHUNK = 5_000
"""As the engine makes rows of members, by turns with another campaign."""

COUNTS_S = 1.0
PAGE_S = 3.0
PAGE_MIB = 1.0
VOLUMES_S = 1.0
CSV_MIB = 20.0
"""More than the report's own command may need for the CSV of a million: a page, not the whole."""


def options(parser: argparse.ArgumentParser) -> None:
    """What may be said of it."""
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Write the rows once, ask each `given.runs` times."""
    rows: int = given.rows
    with tempfile.TemporaryDirectory(prefix="siaran-bench-") as folder:
        home, page, out = Path(folder), Path(folder) / "page.html", Path(folder) / "numbers.csv"
        try:
            with closing(Database.open(None, home=home, size=2)) as database:
                migrations.migrate(database)
                campaign = str(fill(database, rows, say))
            asked: dict[str, tuple[str, ...]] = {
                "start": ("campaign", "ls", "--rows", "1"),
                "counts": ("report", "campaign", campaign),
                "page": ("report", "campaign", campaign, "--html", str(page)),
                "numbers": ("report", "campaign", campaign, "--csv", "delivered", "-o", str(out)),
                "volumes": ("report", "volumes"),
                "month": ("report", "monthly", f"{utc_now():%Y-%m}"),
            }
            took: dict[str, list[Run]] = {name: [] for name in asked}
            for _ in range(given.runs):
                for name, words in asked.items():
                    took[name].append(siaran(home, *words, as_json=name != "numbers"))
                    say(f"{name}: {took[name][-1].wall_s:.2f} s")
            report = took["counts"][-1].answer
            assert report["recipients"] == sum(report["counts"].values()) == rows
            assert report["segments"] == rows * 97 // 100, report["segments"]
            with out.open(encoding="utf-8") as numbers:
                assert sum(1 for _ in numbers) == 1 + report["counts"]["delivered"]
            octets = page.stat().st_size
        finally:
            siaran(home, "db", "stop", "--yes")
    beside = [one.peak_mib - other.peak_mib for one, other in _both(took, "numbers", "counts")]
    return [
        _wall(took, "counts", f"report of {rows:,} beside {rows * 10:,}", COUNTS_S),
        _wall(took, "page", "page with its pictures", PAGE_S),
        Figure(name="size of the page", unit="MiB", values=[octets / 2**20], at_most=PAGE_MIB),
        _wall(took, "numbers", f"CSV of {report['counts']['delivered']:,} numbers", None),
        Figure(name="its memory beyond the report's", unit="MiB", values=beside, at_most=CSV_MIB),
        _wall(took, "volumes", f"volumes of {max(rows // 100, 11):,} campaigns", VOLUMES_S),
        _wall(took, "month", "the month of all of them", None),
        _wall(took, "start", "a command that asks for little", None),
    ]


def _both(took: dict[str, list[Run]], one: str, other: str) -> list[tuple[Run, Run]]:
    return list(zip(took[one], took[other], strict=True))


def _wall(took: dict[str, list[Run]], of: str, name: str, at_most: float | None) -> Figure:
    return Figure(name=name, unit="s", values=[one.wall_s for one in took[of]], at_most=at_most)


def fill(database: Database, rows: int, say: Callable[[str], None]) -> int:
    """The campaign of `rows` messages beside ten times as many; its id."""
    campaigns = database.run(_campaigns, rows // 100, rows)
    ours, beside, *others = campaigns
    database.run(_carriers)
    at = 0
    for campaign_id, lots in ((ours, True), *((one, False) for one in others[:9])):
        with psycopg.connect(database.url, autocommit=True) as connection:
            made = connection.execute(
                _MESSAGES, {"rows": rows, "campaign": campaign_id, "at": at, "chunk": CHUNK,
                            "stride": 2 if lots else 1, "offset": 0},
            ).rowcount  # fmt: skip
            assert made == rows
            if lots:
                connection.execute(
                    _MESSAGES, {"rows": rows, "campaign": beside, "at": at, "chunk": CHUNK,
                                "stride": 2, "offset": 1},
                )  # fmt: skip
            else:
                connection.execute(_RANGE, {"rows": rows, "campaign": campaign_id, "at": at})
        at += rows * (2 if lots else 1)
        say(f"{at:,} messages are there")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(_SUBMISSIONS, (ours,))
        connection.execute(_RANGES, {"chunk": CHUNK, "rows": rows, "ours": ours, "beside": beside})
        connection.execute(_TALLY)
        connection.execute(_INBOX, {"campaign": ours, "rows": rows // 50})
        connection.execute("ANALYZE")
    return ours


def _carriers(tx: Tx) -> None:
    tx.execute("INSERT INTO carrier (name) VALUES ('north'), ('south')")


def _campaigns(tx: Tx, n: int, rows: int) -> list[int]:
    """So many that have run this month; the first eleven have the rows."""
    return [
        row[0]
        for row in tx.execute(
            """
            WITH l AS (INSERT INTO list (application_id, name)
                       SELECT id, 'everybody' FROM application RETURNING id, application_id)
            INSERT INTO campaign (application_id, list_id, state, quick, text, sender, scheduled_at,
                                  timezone, created_by, started_at, ended_at, recipients, fed,
                                  last_member_id)
            SELECT l.application_id, l.id, 'completed', false, 'Hello ' || n, '3774',
                   now() - interval '10 min', 'UTC', 'anna', now() - interval '10 min', now(),
                   CASE WHEN n <= 11 THEN %(rows)s ELSE 100 END,
                   CASE WHEN n <= 11 THEN %(rows)s ELSE 0 END, 0
              FROM l, generate_series(1, %(n)s) AS n
            RETURNING id
            """,
            {"n": max(n, 11), "rows": rows},
        )
    ]


_MESSAGES: LiteralString = """
    INSERT INTO message (id, campaign_id, application_id, class, attempt, total, accepted, delivered,
                         state, state_at, sent_at, created_at, mobile, sender, reason, params)
    SELECT first_id(day_of(now())) + 1000 + %(at)s
               + (n / %(chunk)s * %(stride)s + %(offset)s) * %(chunk)s + n %% %(chunk)s,
           c.id, c.application_id, 2, 1, 1, CASE WHEN kind < 97 THEN 1 ELSE 0 END,
           CASE WHEN kind < 90 THEN 1 ELSE 0 END, s.state::message_state,
           c.started_at + n * interval '50 us' + n %% 40 * interval '1 s',
           CASE WHEN kind < 97 THEN c.started_at + n * interval '50 us' END, c.started_at,
           CASE n %% 5 WHEN 0 THEN '+62812' WHEN 1 THEN '+61412' ELSE '+64211' END
               || lpad(n::text, 7, '0'),
           '3774', s.reason, ARRAY['Anna', 'Scott', '12 Nov', '$' || n]
      FROM campaign c, generate_series(0, %(rows)s - 1) AS n,
           LATERAL (SELECT n %% 100 AS kind) AS k,
           LATERAL (SELECT CASE WHEN kind < 90 THEN 'delivered' WHEN kind < 93 THEN 'sent'
                                WHEN kind < 97 THEN 'failed' WHEN kind < 98 THEN 'rejected'
                                ELSE 'skipped' END AS state,
                           CASE WHEN kind < 93 THEN NULL
                                WHEN kind < 97 THEN 'UNDELIV, err ' || lpad((n %% 30)::text, 3, '0')
                                WHEN kind < 98 THEN 'ESME_RINVDSTADR' ELSE 'opted out' END AS reason
           ) AS s
     WHERE c.id = %(campaign)s
     ORDER BY n
"""
_SUBMISSIONS: LiteralString = """
    INSERT INTO submission (message_id, segment, attempt, carrier_id, smsc_id, at)
    SELECT m.id, 1, 1, (SELECT id FROM carrier WHERE name = CASE WHEN m.id %% 3 = 0
                                                       THEN 'south' ELSE 'north' END),
           m.id::text, m.sent_at
      FROM message m WHERE m.campaign_id = %s AND m.accepted <> 0
"""
_RANGES: LiteralString = """
    INSERT INTO campaign_range (campaign_id, first_id, last_id, n)
    SELECT c, first_id(day_of(now())) + 1000 + (k * 2 + o) * %(chunk)s,
           first_id(day_of(now())) + 1000 + (k * 2 + o + 1) * %(chunk)s - 1, %(chunk)s
      FROM (VALUES (%(ours)s, 0), (%(beside)s, 1)) AS v (c, o),
           generate_series(0, %(rows)s / %(chunk)s - 1) AS k
"""
_RANGE: LiteralString = """
    INSERT INTO campaign_range (campaign_id, first_id, last_id, n)
    SELECT %(campaign)s, f + %(at)s, f + %(at)s + %(rows)s - 1, %(rows)s
      FROM (SELECT first_id(day_of(now())) + 1000) AS v (f)
"""
_TALLY: LiteralString = """
    INSERT INTO tally (campaign_id, state, n)
    SELECT c.id, s.state::message_state, c.recipients / 100 * s.share
      FROM campaign c, (VALUES ('delivered', 90), ('sent', 3), ('failed', 4), ('rejected', 1),
                               ('skipped', 2)) AS s (state, share)
     WHERE c.recipients IS NOT NULL
"""
_INBOX: LiteralString = """
    INSERT INTO inbox (id, application_id, carrier_id, mobile, destination, received_at, content,
                       data_coding, campaign_id, message_id, meaning)
    SELECT next_id(), c.application_id, 1, '+64211000000', '3774', now(), 'STOP', 0, c.id, n,
           CASE n %% 4 WHEN 0 THEN 'opt-out' ELSE 'reply' END
      FROM campaign c, generate_series(1, %(rows)s) AS n WHERE c.id = %(campaign)s
"""
