"""`siaran smsc`: the simulator as a command, its options, how it begins and ends (R-5.12)."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import trio

from admin_cli import shell
from admin_cli.main import commands, main
from smpp import status
from smpp.codec import SubmitTemplate
from smpp.events import Deliveries
from smpp.pdu import Address, Bind, Mode
from smpp.receipt import ReceiptState
from smpp.session import open_session
from smpp.smsc import Options
from smpp.transport import connect

ROOT = Path(__file__).parents[2]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Run `siaran smsc …` on a port that is free, as its user does."""
    with_it: list[subprocess.Popen[str]] = []

    def run(*words: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "admin_cli", "smsc", "--port", "0", *map(str, words)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with_it.append(process)
        return process

    yield run
    for process in with_it:
        process.kill()
        process.communicate()


async def talk(port: int, text: bytes) -> list[bytes]:
    """Send one message and give back what is delivered: its receipt, then the reply to it."""
    template = SubmitTemplate(Address(value="3774", ton=3, npi=0), dest_ton=1, dest_npi=1)
    got: list[bytes] = []
    with trio.fail_after(60):
        stream = await connect("127.0.0.1", port, timeout_s=60)
        bind = Bind(mode=Mode.TRANSCEIVER, system_id="siaran", password="geheim")
        async with open_session(stream, bind=bind) as session:
            await session.submit([(1, template.body("64211234567", 0, 0, text))])
            async for batch in session:
                for event in batch:
                    if isinstance(event, Deliveries):
                        got += [item.octets for item in event.items]
                        await session.respond((i.command, i.sequence, 0) for i in event.items)
                if len(got) == 2:
                    await session.unbind()
    return got


def test_it_says_where_it_listens_and_at_the_end_what_it_has_done(
    start: Start, tmp_path: Path
) -> None:
    """R-5.12: a bind with a password, a message, its receipt, a reply, the record, the counters."""
    (tmp_path / "replies.toml").write_text('[[reply]]\npattern = "(?i)halo"\ntext = "Halo juga"\n')
    (tmp_path / "password").write_text("geheim\n")
    process = start(
        "--json",
        "--system-id=siaran",
        *("--password-file", tmp_path / "password"),
        *("--record", tmp_path / "record.jsonl"),
        *("--replies", tmp_path / "replies.toml"),
        *("--receipt-state", "rejected", "--receipt-form", "text", "--receipt-after-ms", "1"),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    listening = json.loads(process.stdout.readline())
    assert listening["listening"] == f"127.0.0.1:{listening['port']}"
    assert process.stderr.readline() == f"SMSC simulator: listening on {listening['listening']}\n"
    reply, receipt = sorted(trio.run(talk, listening["port"], b"HALO"))
    assert (reply, b"stat:REJECTD" in receipt) == (b"Halo juga", True)
    for _ in range(1000):  # it may have answered our unbind before it looked at the rest
        process.send_signal(signal.SIGUSR1)
        seen = json.loads(process.stdout.readline())
        if seen["receipts_acked"] and seen["replies_acked"]:
            break
    assert (seen["submits"], seen["accepted"], seen["receipts_acked"]) == (1, 1, 1)
    process.terminate()
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert json.loads(out) == seen
    (line,) = (tmp_path / "record.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == "HALO"


def test_for_a_person_it_counts_in_a_line_and_ctrl_c_is_no_error(start: Start) -> None:
    """The same without --json: one line of what there was."""
    process = start()
    assert process.stderr is not None
    assert "listening on 127.0.0.1:" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "binds 0, submits 0, accepted 0\n", "")


def test_a_full_disk_ends_it_with_a_line(start: Start) -> None:
    """What it has not written down it must not answer."""
    process = start("--json", "--record", "/dev/full")
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    assert trio.run(talk, port, b"Halo") == []
    _, err = process.communicate()
    assert process.returncode == 1
    assert "/dev/full: the record can't be written: No space left on device" in err


def test_every_option_of_the_simulator_can_be_said() -> None:
    """A field of `Options` without an option would be a fault that nobody can ask for."""
    (entry,) = (entry for entry in commands() if entry.name == "smsc")
    said = {option.removeprefix("--").replace("-", "_") for option in entry.options}
    assert {field.name for field in fields(Options)} - said == {"password"}
    assert {"password_env", "password_file", "no_receipts"} <= said


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ([], {}),
        (["--host", "::1", "--port", "0"], {"host": "::1", "port": 0}),
        (["--system-id", "tui"], {"system_id": "tui"}),
        (["--password-env", "SMSC_PASSWORD"], {"password": "geheim"}),
        (["--latency-ms", "1.5"], {"latency_ms": 1.5}),
        (["--receipt-after-ms", "20"], {"receipt_after_ms": 20.0}),
        (["--no-receipts"], {"receipt_after_ms": None}),
        (["--receipt-state", "expired"], {"receipt_state": ReceiptState.EXPIRED}),
        (["--receipt-form", "tlv"], {"receipt_form": "tlv"}),
        (["--error-pct", "5"], {"error_pct": 5.0}),
        (["--error-status", "ESME_RINVDSTADR"], {"error_status": 0x0B}),
        (["--error-status", "rmsgqful"], {"error_status": status.QUEUE_FULL}),
        (["--error-status", "0x400"], {"error_status": 0x400}),
        (["--error-status", "11"], {"error_status": 11}),
        (["--throttle-pct", "50"], {"throttle_pct": 50.0}),
        (["--drop-every", "7"], {"drop_every": 7}),
        (["--window", "10"], {"window": 10}),
        (["--deliver-window", "3"], {"deliver_window": 3}),
        (["--smpp-version", "3.3"], {"smpp_version": "3.3"}),
        (["--alphabet", "latin1"], {"alphabet": "latin1"}),
        (
            ["--refuse-binds", "RINVPASWD", "--refuse-first", "2"],
            {"refuse_binds": status.INVALID_PASSWORD, "refuse_first": 2},
        ),
        (["--silent-bind"], {"silent_bind": True}),
        (
            ["--rate", "500", "--burst", "20", "--over-status", "0x14"],
            {"rate": 500.0, "burst": 20, "over_status": status.QUEUE_FULL},
        ),
        (["--congestion", "95"], {"congestion": 95}),
        (["--errors", "0x45=2.5", "--errors", "11=1"], {"errors": ((0x45, 2.5), (0x0B, 1.0))}),
        (["--error-body"], {"error_body": True}),
        (["--silent-pct", "1"], {"silent_pct": 1.0}),
        (["--no-id-pct", "1"], {"no_id_pct": 1.0}),
        (["--wrong-sequence-pct", "1"], {"wrong_sequence_pct": 1.0}),
        (["--stall-after", "9"], {"stall_after": 9}),
        (["--receipt-ids", "hex"], {"receipt_ids": "hex"}),
        (["--receipt-first"], {"receipt_first": True}),
        (["--receipts-per", "message"], {"receipts_per": "message"}),
        (["--intermediate"], {"intermediate": True}),
        (["--duplicates", "2"], {"duplicates": 2}),
        (["--record", "r.jsonl"], {"record": Path("r.jsonl")}),
        (["--seed", "4"], {"seed": 4}),
        (
            ["--tls-certificate", "c.pem", "--tls-key", "k.pem", "--tls-client-ca", "ca.pem"],
            {
                "tls_certificate": Path("c.pem"),
                "tls_key": Path("k.pem"),
                "tls_client_ca": Path("ca.pem"),
            },
        ),
    ],
)
def test_what_is_said_is_what_the_simulator_is_like(
    words: list[str], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any option it is what `Options` is by default."""
    monkeypatch.setenv("SMSC_PASSWORD", "geheim")
    asked: list[Options] = []
    monkeypatch.setattr(shell, "run", lambda task, options, as_json: asked.append(options))
    assert main(["smsc", *words]) == 0
    assert asked == [replace(Options(), **changes)]


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["--error-status", "RINVDSTADDR"], 2, "ESME_RINVDSTADR"),
        (["--error-status", "0"], 2, "no status"),
        (["--receipt-state", "lost"], 2, "'delivered'"),
        (["--error-pct", "101"], 2, "100"),
        (["--latency-ms", "-1"], 2, "0"),
        (["--smpp-version", "4"], 2, "3.3"),
        (["--rate", "0"], 2, "0.001"),
        (["--errors", "0x45"], 2, '--errors "0x45": expected a status and its share in percent'),
        (["--errors", "0x45=101"], 2, "errors has 0x45 with 101 %"),
        (["--error-pct", "60", "--silent-pct", "60"], 2, "the percentages add up to 120"),
        (["--over-status", "RTHROTTLD"], 2, "ESME_RTHROTTLED"),
        (["--no-receipts", "--receipt-after-ms", "5"], 2, "contradict"),
        (["--replies", "none.toml"], 1, "none.toml: can't be read: No such file"),
        (["--replies", "typo.toml"], 1, "typo.toml: expected a [[reply]] table"),
        (["--replies", "half.jsonl"], 1, "half.jsonl, line 2: not JSON"),
        (["--record", "none/record.jsonl"], 1, "none/record.jsonl: the record can't be written"),
        (["--password-env", "NOT_SET"], 1, "NOT_SET"),
        (["--password-file", "none"], 1, "none: the password can't be read"),
        (["--password-file", "none", "--password-env", "HOME"], 2, "give one of them"),
        (["--tls-key", "k.pem"], 2, "need a --tls-certificate"),
        (["--tls-certificate", "none.pem"], 1, "none.pem: can't be read: No such file"),
        (["--tls-certificate", "typo.toml"], 1, "typo.toml: a certificate and its key in PEM form"),
        (["--host", "nowhere.invalid"], 1, "nowhere.invalid:0: can't listen there"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str],
    code: int,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit 2 for usage, 1 for what the words lead to; never a traceback."""
    monkeypatch.chdir(tmp_path)
    Path("typo.toml").write_text('[[replies]]\npattern = "a"\ntext = "b"\n')
    Path("half.jsonl").write_text('{"pattern": "a", "text": "b"}\n{"pattern"\n')
    assert main(["smsc", "--port", "0", *words]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert hint in line


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """And what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["smsc", "--port", str(port)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"siaran: 127.0.0.1:{port}: can't listen there: Address already in use;"
        " --port 0 takes one that is free"
    )
