"""`siaran demo`: a campaign from a CSV file to its receipts, with all that production would run.

The database, `siaran smsc` and `siaran run` are processes, with TCP and SQL between them, in a
home of their own. Whatever happens, nothing of it is left running; and of its files only what
somebody asked for (--keep), or needs (the logs, when something failed).
"""

from __future__ import annotations

import contextlib
import json
import random
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from admin_cli import demo_replies, watching
from admin_cli.children import Child, Children, Ended, running
from admin_cli.demo_replies import Heard
from admin_cli.desk import Desk, command, single
from admin_cli.staging import INDENT, Story, interruptible, temporary_home, undisturbed
from config.load import load
from engine.clock import utc_now
from engine.operations import (
    Actor,
    Refused,
    campaigns,
    creating,
    drafts,
    importing,
    open_database,
    reports,
)
from engine.operations.campaigns import ENDED, MessageState, Progress
from engine.operations.importing import ImportReport, Upload
from engine.operations.reports import Report

app = single("Watch a campaign go out and come back.")

SAMPLE = files("admin_cli") / "sample"
"""The guide's example: three recipients with their params, and its message; and what they answer."""

LIST = "demo"

FIRST = ("Agus", "Ani", "Budi", "Dewi", "Eko", "Hana", "Joko", "Made", "Putri", "Rina", "Wayan")
LAST = ("Gunawan", "Halim", "Lestari", "Nasution", "Pratama", "Siregar", "Susanto", "Wijaya")

CONFIGURATION = """\
[node]
name = "demo"

[http]
listen = "127.0.0.1:0"

[carriers.simulator]
host = "127.0.0.1"
port = {port}
system_id = "siaran"
window = 500
"""

LOOK_S = 0.2
"""Between two looks: a thousand messages are gone within the second of `campaign watch`."""

START_S = 60.0
"""What the simulator gets to start, on a machine that has other things to do."""

STALL_S = 60.0
"""When nothing has changed for so long it won't any more, and somebody should hear of it. (What
is uncertain after a crash is sent again after half of it, R-8.2.)"""

UNDECIDED = (
    MessageState.QUEUED,
    MessageState.LAUNCHED,
    MessageState.SENT,
    MessageState.UNCERTAIN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of it all. Numbers are written as in the list, `+64…`."""

    expected: Sequence[str]
    received: Mapping[str, int]
    """How many messages to a number the SMSC took."""
    messages: Sequence[tuple[str, str]]
    """The sample's, as the SMSC got them: number and text."""
    replies: Sequence[Heard]
    answers: Mapping[str, Sequence[str]]
    """The responses to them, by number, as the SMSC got them."""
    imported: ImportReport
    report: Report
    smsc: Mapping[str, int]
    took_s: float


@command(app, "demo", "siaran demo", "siaran demo --recipients 50 --keep")
def demo(
    desk: Desk,
    recipients: Annotated[
        int,
        typer.Option(
            "--recipients", min=0, max=100_000, metavar="N", help="besides the sample's 3"
        ),
    ] = 1000,
    keep: Annotated[
        bool, typer.Option("--keep", help="keep database, record and logs, and say where")
    ] = False,
) -> None:
    """Watch a campaign go out over SMPP and its receipts come in, with everything embedded.

    It starts a database, the SMSC simulator and the engine, imports a list of three samples and
    as many made up recipients as you like, and sends them a message with their params in it. Your
    own database and configuration are not touched, and nothing is left when it ends.

    The three write back: one opts out, one sends a keyword, one asks something; each is answered.

    Exit code 0: every message has its receipt, the SMSC got each of them exactly once, and of what
    came in became what should.
    """
    story = Story(quiet=desk.json)
    with contextlib.ExitStack() as stack:
        stack.enter_context(interruptible())
        home = stack.enter_context(temporary_home(keep=keep))
        children = stack.enter_context(running(home))
        stack.callback(undisturbed)  # of all that happens at the end this comes first
        try:
            outcome = _play(story, home, children, recipients, desk.by)
        except Ended as ended:
            if not desk.json:
                title = f"The last words of `siaran {ended.child.word}`:"
                print("", title, *ended.child.last_words(), "", sep="\n", file=sys.stderr)
            raise Refused(f"{ended}; its log is {ended.child.log}") from ended
        found = faults(outcome)
        if desk.json:
            desk.card(_document(outcome, ok=not found, kept_in=home if keep else None))
        if found:
            raise Refused(f"{'; '.join(found)}; the logs are {children.logs()}")
        story.say(
            "",
            f"Each of the {len(outcome.expected):,} messages has its receipt, and the SMSC got each"
            f" exactly once; the three replies were done and answered ({outcome.took_s:.1f} s).",
        )
        if keep:
            _tell_where(story, home, outcome.report.id)


def faults(outcome: Outcome) -> list[str]:
    """What is not as it should be, in words; [] when every message has its receipt."""
    total, delivered = len(outcome.expected), outcome.report.counts[MessageState.DELIVERED]
    missing = [number for number in outcome.expected if not outcome.received.get(number)]
    repeated = [number for number, times in outcome.received.items() if times > 1]
    strange = outcome.received.keys() - set(outcome.expected)
    found = []
    if delivered != total:
        found.append(f"{total - delivered:,} of {total:,} messages have no good receipt")
    if missing:
        found.append(f"the SMSC did not get {len(missing):,}, such as that to {missing[0]}")
    if repeated:
        found.append(f"the SMSC got {len(repeated):,} repeatedly, such as that to {repeated[0]}")
    if strange:
        found.append(f"the SMSC got {len(strange):,} to others, such as {min(strange)}")
    return found + demo_replies.faults(outcome.replies, outcome.answers, LIST)


def _play(story: Story, home: Path, children: Children, recipients: int, by: str) -> Outcome:
    """From nothing to the report."""
    began = time.monotonic()
    sample, generated = _sample("recipients.csv"), list(made_up(recipients))
    numbers = [row.partition(",")[0] for row in (*sample.splitlines(), *generated)]
    story.say(f"A campaign to {len(numbers):,} recipients, with all that it needs on this machine.")
    actor = Actor(application="default", by=by)

    story.head("Start what production would run, each a process of its own")
    smsc = _start_smsc(home, children)
    with open_database(load(None, {})) as db:
        port = json.loads(smsc.read_line(START_S))["port"]
        engine = _start_engine(home, children, port)
        story.table(
            [
                ("database", "embedded PostgreSQL"),
                ("SMSC", f"siaran smsc, the simulator, at 127.0.0.1:{port}"),
                ("engine", "siaran run, a transceiver to it"),
            ]
        )

        story.head("Import the list", f"siaran list import {LIST} recipients.csv --create")
        file = home / "recipients.csv"
        file.write_text(sample + "".join(generated), "utf-8")
        imported = importing.import_file(db, actor, Upload(list=LIST, file=file, create=True))
        story.table(_imported(imported))

        story.head(
            "Say what subscribers are answered, and how one joins a list",
            f"siaran response set optout {shlex.quote(demo_replies.OPTED_OUT)}",
            f"siaran list create {demo_replies.CLUB}",
            f"siaran keyword add {demo_replies.KEYWORD} --list {demo_replies.CLUB}"
            f" --response {shlex.quote(demo_replies.JOINED)}",
        )
        db.run(demo_replies.prepare, actor)

        message = _sample("message.txt").strip()
        story.head(
            "Send",
            f"siaran campaign new --list {LIST} --message {shlex.quote(message)}"
            f" --response {shlex.quote(demo_replies.REPLIED)} --now",
        )
        draft = drafts.Draft(message=message, response=demo_replies.REPLIED)
        campaign = creating.new(db, actor, LIST, draft, now=utc_now(), confirmed=True).campaign
        _follow(story, children, lambda: db.run(campaigns.progress, actor, campaign.id))
        replies = demo_replies.wait(db, actor, children.check)
        report = db.run(reports.campaign, actor, campaign.id, now=utc_now())
    engine.end()
    *_, counted = smsc.end().splitlines() or ["{}"]
    three = numbers[: len(sample.splitlines())]
    received, texts, answers = read_record(home / "record.jsonl", three)

    story.head("The sample's three messages, as the SMSC got them")
    story.table(texts.items())
    story.head("What they wrote back, and what became of it", "siaran inbox ls")
    story.table(_replies(replies, answers) or [("nothing",)])
    story.head("Report", f"siaran report campaign {campaign.id}")
    story.table(_report(report))
    return Outcome(
        expected=numbers,
        received=received,
        messages=list(texts.items()),
        replies=replies,
        answers=answers,
        imported=imported,
        report=report,
        smsc=json.loads(counted),
        took_s=time.monotonic() - began,
    )


def made_up(count: int) -> Iterator[str]:
    """CSV rows like the sample's, each to another number; the same ones each time."""
    chance = random.Random(1)
    for n in range(100_000, 100_000 + count):
        # Indonesian mobiles. The last digit is not that before it, since a number that ends in
        # a row of equal digits is doubted at the import, as one that somebody made up.
        mobile = f"+62812{n}{(n + 1) % 10}"
        first, last = chance.choice(FIRST), chance.choice(LAST)
        day, amount = chance.randint(1, 28), chance.randint(1_00, 999_99) / 100
        phone = f"0800{chance.randint(100_000, 999_999)}"
        yield f"{mobile},{first},{last},{day} Nov,${amount:.2f},{phone}\n"


def read_record(
    file: Path, wanted: Sequence[str]
) -> tuple[Counter[str], dict[str, str], dict[str, list[str]]]:
    """What the SMSC took: how many messages of the campaign to each number, and the texts to those
    `wanted`; and the auto-responses to each."""
    received: Counter[str] = Counter()
    texts: dict[str, str] = {}
    answers: dict[str, list[str]] = {}
    responses = {one.response for one in demo_replies.EXPECTED}
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["id"] is None or row["part"] not in (None, 1):
                continue  # not taken, or not the first segment
            number = f"+{row['destination']}"
            if row["text"] in responses:
                answers.setdefault(number, []).append(row["text"])
                continue
            received[number] += 1
            if number in wanted:
                texts[number] = row["text"]
    return received, {number: texts[number] for number in wanted if number in texts}, answers


def _start_smsc(home: Path, children: Children) -> Child:
    replies = home / "replies.toml"
    replies.write_text(_sample("replies.toml"), "utf-8")
    record = str(home / "record.jsonl")
    words = ("--json", "--port", "0", "--record", record, "--replies", str(replies))
    return children.start("smsc", *words, reads=True)


def _start_engine(home: Path, children: Children, port: int) -> Child:
    configuration = home / "siaran.toml"
    configuration.write_text(CONFIGURATION.format(port=port), "utf-8")
    return children.start("run", "--config", str(configuration))


def _follow(story: Story, children: Children, look: Callable[[], Progress]) -> None:
    """Until each message has its receipt. Raises Ended, and Refused when nothing moves."""
    before: Progress | None = None
    moved_at = time.monotonic()

    def watched() -> Progress:
        nonlocal before, moved_at
        children.check()
        seen = look()
        if seen != before:
            before, moved_at = seen, time.monotonic()
        elif time.monotonic() - moved_at > STALL_S:
            counts = ", ".join(f"{state} {n:,}" for state, n in seen.counts.items() if n)
            raise Refused(
                f"nothing has changed for {STALL_S:g} s: the campaign is {seen.state}"
                f" ({counts or 'no recipients'}); the logs are {children.logs()}"
            )
        return seen

    watching.follow(watched, quiet=story.quiet, over=_settled, every_s=LOOK_S, indent=len(INDENT))


def _settled(seen: Progress) -> bool:
    return seen.state in ENDED and not any(seen.counts[state] for state in UNDECIDED)


def _replies(
    replies: Sequence[Heard], answers: Mapping[str, Sequence[str]]
) -> list[tuple[str, str]]:
    rows = []
    for one in replies:
        rows += [(one.mobile, one.content), ("", f"→ {one.what}")]
        rows += [("", f'→ answered "{text}"') for text in answers.get(one.mobile, ())]
    return rows


def _imported(report: ImportReport) -> list[tuple[str, str]]:
    rows = [(f"{report.rows:,}", "rows"), (f"{report.imported:,}", "members")]
    if report.doubtful:
        numbers = ", ".join(row.value for row in report.doubtful_rows)
        rows.append((f"{report.doubtful:,}", f"of them doubtful, and kept: {numbers}"))
    width = max(len(count) for count, _ in rows)
    return [(count.rjust(width), what) for count, what in rows]


def _report(report: Report) -> list[tuple[str, str, str]]:
    total = report.recipients or 0
    rows = [("recipients", f"{total:,}", "")]
    rows += [
        (state.value, f"{n:,}", f"{n / total:.1%}" if total else "")
        for state, n in report.counts.items()
        if n
    ]
    rows += [("segments", f"{report.segments:,}", ""), ("replies", f"{report.replies:,}", "")]
    if report.duration_s is not None:
        rows.append(("duration", f"{report.duration_s:.1f}", "s"))
    width = max(len(value) for _, value, _ in rows)
    return [(what, value.rjust(width), more) for what, value, more in rows]


def _document(outcome: Outcome, *, ok: bool, kept_in: Path | None) -> dict[str, Any]:
    return {
        "ok": ok,
        "recipients": len(outcome.expected),
        "delivered": outcome.report.counts[MessageState.DELIVERED],
        "exactly_once": outcome.received == Counter(outcome.expected),
        "messages": [{"mobile": number, "text": text} for number, text in outcome.messages],
        "replies": outcome.replies,
        "import": outcome.imported,
        "report": outcome.report,
        "smsc": outcome.smsc,
        "took_s": round(outcome.took_s, 3),
        "kept_in": kept_in,
    }


def _tell_where(story: Story, home: Path, campaign_id: int) -> None:
    where = f"SIARAN_HOME={shlex.quote(str(home))}"
    story.head(f"All of it is kept in {home}")
    story.table(
        [
            ("look at it", f"{where} siaran report campaign {campaign_id}"),
            ("remove it", f"{where} siaran db stop --yes && rm -r {shlex.quote(str(home))}"),
        ]
    )


def _sample(name: str) -> str:
    return (SAMPLE / name).read_text("utf-8")
