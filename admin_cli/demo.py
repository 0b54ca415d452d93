"""`siaran demo`: a campaign from a CSV file to its receipts, with all that production would run.

Embedded PostgreSQL in a home of its own, `siaran smsc` and `siaran run` as processes: real TCP,
real SQL. Whatever happens, nothing is left running, and unless it is to be kept, no file either.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from admin_cli import watching
from admin_cli.children import Children
from admin_cli.desk import Desk, command, single
from config.load import load
from engine.clock import utc_now
from engine.operations import (
    Actor,
    campaigns,
    database,
    drafts,
    importing,
    open_database,
    reports,
)

app = single("Watch a campaign go out and come back.")

SAMPLE = files("admin_cli") / "sample"
_LIST = "demo"


@command(app, "demo", "siaran demo", "siaran demo --recipients 50 --keep")
def demo(
    desk: Desk,
    recipients: Annotated[
        int,
        typer.Option("--recipients", min=0, max=100_000, metavar="N", help="besides the sample's"),
    ] = 1000,
    keep: Annotated[
        bool, typer.Option("--keep", help="keep database, logs and records, and say where")
    ] = False,
) -> None:
    """Watch a campaign go out over SMPP and its receipts come in, with everything embedded.

    It starts a database, the SMSC simulator and the engine, imports a sample list and so many
    generated recipients, sends them a message with their params in it, and shows what came of
    it. Exit code 0: every message has its receipt, and the SMSC got each exactly once.
    """

    def say(line: str) -> None:
        if not desk.json:
            print(line)

    began = time.monotonic()
    with _home(keep) as home, Children(home) as children:
        say("Start")
        (home / "replies.toml").write_text((SAMPLE / "replies.toml").read_text("utf-8"), "utf-8")
        smsc = children.start(
            "smsc",
            "smsc",
            "--json",
            "--port",
            "0",
            "--record",
            str(home / "record.jsonl"),
            "--replies",
            str(home / "replies.toml"),
        )
        port = int(json.loads(smsc.read_line(20))["listening"].rpartition(":")[2])
        config = home / "siaran.toml"
        config.write_text(
            f'[node]\nname = "demo"\n\n[http]\nlisten = "127.0.0.1:0"\n\n[carriers.simulator]\nhost = "127.0.0.1"\nport = {port}\nsystem_id = "siaran"\nwindow = 500\n',
            "utf-8",
        )
        settings = load(config, {})
        with open_database(settings) as db:
            engine = children.start("run", "run", "--config", str(config))
            file = home / "recipients.csv"
            file.write_text(
                (SAMPLE / "recipients.csv").read_text("utf-8") + "".join(_made_up(recipients)),
                "utf-8",
            )
            actor = Actor(application="default", by=desk.by)
            imported = importing.import_file(
                db, actor, importing.Upload(list=_LIST, file=file, create=True)
            )
            say(f"imported {imported.imported:,}")
            message = (SAMPLE / "message.txt").read_text("utf-8").strip()
            created = drafts.new(
                db, actor, _LIST, drafts.Draft(message=message), now=utc_now(), confirmed=True
            )
            campaign_id = created.campaign.id

            def look() -> Any:
                children.check()
                return db.run(campaigns.progress, actor, campaign_id)

            watching.follow(look, quiet=desk.json)
            while db.run(reports.campaign, actor, campaign_id, now=utc_now()).counts[
                campaigns.MessageState.SENT
            ]:
                children.check()
                time.sleep(0.1)
            report = db.run(reports.campaign, actor, campaign_id, now=utc_now())
            engine.end()
            smsc.end()
        destinations = Counter(
            json.loads(line)["destination"] for line in (home / "record.jsonl").open()
        )
        database.stop(settings)
        say(f"{report.counts} {len(destinations)} {time.monotonic() - began:.1f}")


def _made_up(count: int) -> Iterator[str]:
    chance = random.Random(1)
    for n in range(count):
        number = 100_000 + n
        yield f"+62812{number}{(number + 1) % 10},Dewi,Lestari,{chance.randint(1, 28)} Nov,${chance.randint(1000, 99999) / 100:.2f},0800123456\n"


@contextlib.contextmanager
def _home(keep: bool) -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="siaran-demo-"))
    os.environ["SIARAN_HOME"] = str(home)
    try:
        yield home
    finally:
        if not keep:
            shutil.rmtree(home)
