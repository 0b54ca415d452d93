"""`siaran smsc`: an SMSC to develop and demonstrate against, in the foreground (R-5.12)."""

from __future__ import annotations

import difflib
import errno
import json
import os
import signal
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
import typer

from admin_cli import shell
from admin_cli.desk import Desk, command, single
from engine.clock import utc_now
from engine.operations import Refused
from smpp import status, subscribers, transport
from smpp.alphabet import Alphabet
from smpp.options import ReceiptIds, ReceiptsPer, Version
from smpp.receipt import ReceiptState
from smpp.simulator import Counters, Options, serve

app = single("Run the SMSC simulator in the foreground.")

_DEFAULT = Options()
_ENDS = (signal.SIGTERM, signal.SIGINT)


class ReceiptForm(StrEnum):
    """Where a receipt says what it is about."""

    BOTH = "text+tlv"
    TEXT = "text"
    TLV = "tlv"


@command(
    app,
    "smsc",
    "siaran smsc",
    "siaran smsc --port 2776 --latency-ms 20 --throttle-pct 5 --record received.jsonl",
    "siaran smsc --replies replies.toml --receipt-after-ms 500",
)
def smsc(
    desk: Desk,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, metavar="N", help="0: one that is free"),
    ] = _DEFAULT.port,
    host: Annotated[
        str, typer.Option("--host", metavar="H", help="the address to listen on")
    ] = _DEFAULT.host,
    system_id: Annotated[
        str | None, typer.Option("--system-id", metavar="ID", help="who may bind; else anybody")
    ] = None,
    password_env: Annotated[
        str | None,
        typer.Option("--password-env", metavar="VAR", help="the variable with their password"),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="or the file with it"),
    ] = None,
    smpp_version: Annotated[
        Version,
        typer.Option("--smpp-version", metavar="V", help="3.3, 3.4, 5.0; same: that of the ESME"),
    ] = _DEFAULT.smpp_version,
    alphabet: Annotated[
        Alphabet,
        typer.Option("--alphabet", metavar="A", help="data_coding 0 means: gsm, latin1, ascii"),
    ] = _DEFAULT.alphabet,
    refuse_binds: Annotated[
        str | None,
        typer.Option("--refuse-binds", metavar="S", help="with this status: ESME_RINVPASWD, 13"),
    ] = None,
    refuse_first: Annotated[
        int | None,
        typer.Option("--refuse-first", min=0, metavar="N", help="only so many of them; else all"),
    ] = None,
    silent_bind: Annotated[
        bool, typer.Option("--silent-bind", help="accept connections, never answer a bind")
    ] = _DEFAULT.silent_bind,
    latency_ms: Annotated[
        float, typer.Option("--latency-ms", min=0, metavar="MS", help="from submit to response")
    ] = _DEFAULT.latency_ms,
    receipt_after_ms: Annotated[
        float,
        typer.Option("--receipt-after-ms", min=0, metavar="MS", help="from response to receipt"),
    ] = 0.0,
    no_receipts: Annotated[bool, typer.Option("--no-receipts", help="send none at all")] = False,
    receipt_state: Annotated[
        ReceiptState,
        typer.Option(
            "--receipt-state", metavar="S", help="of all: delivered, rejected, expired, …"
        ),
    ] = _DEFAULT.receipt_state,
    receipt_form: Annotated[
        ReceiptForm,
        typer.Option(
            "--receipt-form", metavar="F", help="id and state are in: text, tlv, text+tlv"
        ),
    ] = ReceiptForm.BOTH,
    receipt_ids: Annotated[
        ReceiptIds,
        typer.Option(
            "--receipt-ids",
            metavar="F",
            help="same as in responses, or hex, decimal, stripped of zeros",
        ),
    ] = _DEFAULT.receipt_ids,
    receipt_first: Annotated[
        bool, typer.Option("--receipt-first", help="a receipt, and only then the response")
    ] = _DEFAULT.receipt_first,
    receipts_per: Annotated[
        ReceiptsPer,
        typer.Option(
            "--receipts-per", metavar="F", help="one for each segment, or for each message"
        ),
    ] = _DEFAULT.receipts_per,
    intermediate: Annotated[
        bool, typer.Option("--intermediate", help="before each receipt one that says ENROUTE")
    ] = _DEFAULT.intermediate,
    duplicates: Annotated[
        int, typer.Option("--duplicates", min=0, metavar="N", help="each receipt N times more")
    ] = _DEFAULT.duplicates,
    error_pct: Annotated[
        float,
        typer.Option("--error-pct", min=0, max=100, metavar="P", help="so many submits refused"),
    ] = _DEFAULT.error_pct,
    error_status: Annotated[
        str,
        typer.Option("--error-status", metavar="S", help="with this: ESME_RINVDSTADR, 0x0B, 11"),
    ] = status.info(_DEFAULT.error_status).name,
    errors: Annotated[
        list[str] | None,
        typer.Option("--errors", metavar="S=P", help="more of them, each with its share: 0x45=2.5"),
    ] = None,
    error_body: Annotated[
        bool, typer.Option("--error-body", help="errors have an empty id; else no body")
    ] = _DEFAULT.error_body,
    silent_pct: Annotated[
        float,
        typer.Option("--silent-pct", min=0, max=100, metavar="P", help="so many never answered"),
    ] = _DEFAULT.silent_pct,
    no_id_pct: Annotated[
        float,
        typer.Option("--no-id-pct", min=0, max=100, metavar="P", help="so many without an id"),
    ] = _DEFAULT.no_id_pct,
    wrong_sequence_pct: Annotated[
        float,
        typer.Option(
            "--wrong-sequence-pct", min=0, max=100, metavar="P", help="so many answered as others"
        ),
    ] = _DEFAULT.wrong_sequence_pct,
    throttle_pct: Annotated[
        float,
        typer.Option("--throttle-pct", min=0, max=100, metavar="P", help="so many throttled"),
    ] = _DEFAULT.throttle_pct,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.001, metavar="R", help="so many submits a second are taken"),
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option("--burst", min=1, metavar="N", help="so many at once; else a second's"),
    ] = None,
    over_status: Annotated[
        str,
        typer.Option("--over-status", metavar="S", help="above the rate: ESME_RMSGQFUL, 0x58"),
    ] = status.info(_DEFAULT.over_status).name,
    congestion: Annotated[
        int | None,
        typer.Option(
            "--congestion", min=0, max=100, metavar="P", help="congestion_state in each response"
        ),
    ] = None,
    stall_after: Annotated[
        int | None,
        typer.Option(
            "--stall-after", min=1, metavar="N", help="then read and write no more, stay connected"
        ),
    ] = None,
    drop_every: Annotated[
        int | None,
        typer.Option("--drop-every", min=1, metavar="N", help="cut the connection at each Nth"),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option("--window", min=1, metavar="N", help="throttle beyond N without response"),
    ] = None,
    deliver_window: Annotated[
        int,
        typer.Option("--deliver-window", min=1, metavar="N", help="deliveries without response"),
    ] = _DEFAULT.deliver_window,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="add each submit to it, a JSON line each"),
    ] = None,
    replies: Annotated[
        Path | None,
        typer.Option("--replies", metavar="FILE", help="what subscribers write back (TOML, JSONL)"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="the same chances at each run")
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option("--tls-certificate", metavar="FILE", help="TLS, with that certificate (PEM)"),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", metavar="FILE", help="its key, when it is in another file"),
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option("--tls-client-ca", metavar="FILE", help="who comes needs one of that CA"),
    ] = None,
) -> None:
    """Run the SMSC simulator until SIGTERM or Ctrl-C, and then say what it has seen and done.

    It takes every bind and message, answers, and sends receipts; the options give it faults.
    SIGUSR1 prints the counters at any time. With --json there are lines of JSON: where it
    listens, then the counters.

    \b
    A file for --replies has a table a rule; the first whose pattern is found in a message counts:
      [[reply]]
      pattern = "(?i)yes or no"   # a regular expression
      text = "YES"
      share = 0.1                 # of those who could answer; 1 when left out
      delay_ms = 500              # 0 when left out
      coding = "ucs2"             # gsm, latin1, ascii, ucs2, binary; what fits when left out
      method = "sar"              # of a long text: udh8, udh16, sar, payload
      backwards = true            # the last segment first
    """
    if no_receipts and receipt_after_ms:
        raise typer.BadParameter("--no-receipts and --receipt-after-ms contradict each other")
    if tls_certificate is None and (tls_key or tls_client_ca):
        raise typer.BadParameter("--tls-key and --tls-client-ca need a --tls-certificate")
    try:
        options = Options(
            host=host,
            port=port,
            system_id=system_id,
            password=_password(password_env, password_file),
            smpp_version=smpp_version,
            alphabet=alphabet,
            refuse_binds=_status("--refuse-binds", refuse_binds) if refuse_binds else 0,
            refuse_first=refuse_first,
            silent_bind=silent_bind,
            latency_ms=latency_ms,
            window=window,
            rate=rate,
            burst=burst,
            over_status=_status("--over-status", over_status),
            congestion=congestion,
            error_pct=error_pct,
            error_status=_status("--error-status", error_status),
            errors=tuple(map(_share, errors or ())),
            error_body=error_body,
            throttle_pct=throttle_pct,
            silent_pct=silent_pct,
            no_id_pct=no_id_pct,
            wrong_sequence_pct=wrong_sequence_pct,
            drop_every=drop_every,
            stall_after=stall_after,
            receipt_after_ms=None if no_receipts else receipt_after_ms,
            receipt_state=receipt_state,
            receipt_form=receipt_form.value,
            receipt_ids=receipt_ids,
            receipt_first=receipt_first,
            receipts_per=receipts_per,
            intermediate=intermediate,
            duplicates=duplicates,
            deliver_window=deliver_window,
            record=record,
            replies=_rules(replies),
            seed=seed,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        shell.run(_be, options, desk.json)
    except BrokenPipeError:
        raise  # whoever read the counters has gone
    except OSError as error:  # a full disk, in the midst of it
        raise Refused(f"{record}: the record can't be written: {error.strerror}") from error


async def _be(options: Options, as_json: bool) -> None:
    """Be that SMSC until a signal ends it."""
    counters = Counters()
    with trio.open_signal_receiver(*_ENDS, signal.SIGUSR1) as signals:
        async with trio.open_nursery() as nursery:
            try:
                port = await nursery.start(
                    partial(serve, options, utc_now=utc_now, counters=counters)
                )
            except OSError as error:
                raise _no_start(options, error) from error
            except transport.TlsFault as error:
                raise Refused(str(error)) from error
            _listening(options, port, as_json)
            async for number in signals:
                _count(counters, as_json)
                if number in _ENDS:
                    break
            nursery.cancel_scope.cancel()


def _listening(options: Options, port: int, as_json: bool) -> None:
    """Say so to a person; with --json to a script, too: it wants to know the port."""
    where = _place(options.host, port)
    print(f"SMSC simulator: listening on {where}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"listening": where, "port": port}), flush=True)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _count(counters: Counters, as_json: bool) -> None:
    counted = counters.snapshot()
    if as_json:
        print(json.dumps(counted), flush=True)
    else:
        always = ("binds", "submits", "accepted")
        seen = [
            f"{name.replace('_', ' ')} {n:,}" for name, n in counted.items() if n or name in always
        ]
        print(", ".join(seen), flush=True)


def _no_start(options: Options, error: OSError) -> Refused:
    why = error.strerror or str(error)
    if error.filename is not None:
        return Refused(f"{error.filename}: the record can't be written: {why}")
    advice = "; --port 0 takes one that is free" if error.errno == errno.EADDRINUSE else ""
    return Refused(f"{_place(options.host, options.port)}: can't listen there: {why}{advice}")


def _password(variable: str | None, file: Path | None) -> str | None:
    """The password where it was said to be: the command line itself is everybody's to read."""
    if variable is not None and file is not None:
        raise typer.BadParameter("--password-env and --password-file: give one of them")
    if variable is not None:
        if variable not in os.environ:
            raise Refused(f"--password-env: there is no variable {variable} in the environment")
        return os.environ[variable]
    if file is None:
        return None
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise Refused(f"{file}: the password can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file}: the password is not UTF-8") from error


def _rules(file: Path | None) -> tuple[subscribers.Rule, ...]:
    if file is None:
        return ()
    try:
        return subscribers.read_rules(file)
    except subscribers.RulesError as error:
        raise Refused(" ".join(str(error).split())) from error


def _share(word: str) -> tuple[int, float]:
    """A status and its share in percent: `0x45=2.5`."""
    name, _, share = word.partition("=")
    try:
        return _status("--errors", name), float(share)
    except ValueError:
        raise typer.BadParameter(
            f'--errors "{word}": expected a status and its share in percent, like 0x45=2.5'
        ) from None


def _status(option: str, word: str) -> int:
    """The number of a status, given by name (with or without ESME_) or as a number."""
    try:
        number = int(word, 0)
    except ValueError:
        number = -1
    names = {row.name: row.number for row in status.TABLE.values() if row.number}
    wanted = word.upper()
    found = names.get(wanted, names.get(f"ESME_{wanted}", number))
    if 0 < found <= 0xFFFFFFFF:
        return found
    near = difflib.get_close_matches(wanted, names, n=2) or ["ESME_RINVDSTADR", "0x0B"]
    raise typer.BadParameter(
        f'{option} "{word}": no status of SMPP is called so; try {" or ".join(near)}'
    )
