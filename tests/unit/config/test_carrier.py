"""A carrier's profile, TLS and policies: what may be said, and in one line what may not (R-5.6).

Read without `load`, which refuses for now what the engine doesn't do yet.
"""

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from config import statuses
from config.load import _carrier
from config.settings import (
    Alphabet,
    Carrier,
    LongMessages,
    Route,
    ShiftTable,
    StatusPolicy,
    Tls,
    Version,
)
from config.tables import Fault, Outside, read
from engine.domain.policy import Override, Policies
from smpp import segments, status
from smpp.alphabet import Alphabet as SmppAlphabet
from smpp.status import Policy


def carrier(text: str, directory: Path = Path()) -> Carrier:
    """The carrier of a table; raises the first fault."""
    table = {"host": "smsc.example.net", "system_id": "us"} | tomllib.loads(text)
    outside = Outside(environ={}, directory=directory)
    made = read(table, Carrier, ("carriers", "tui"), outside, name="tui")
    for fault in _carrier(made):
        raise fault
    return made


def test_a_profile_of_everything() -> None:
    made = carrier(
        """
        version = "5.0"
        alphabet = "gsm"
        ucs2_coding = 0x18
        shift_tables = ["turkish", "spanish"]
        receipts_per = "message"
        accepted_is_final = true
        plus = true
        service_type = "WAP"
        priority = 3
        tlvs = [{ tag = 0x1401, text = "é" }, { tag = 0x1402, hex = "01fF" }]
        """
    )
    assert made.version.number == 0x50
    assert made.shift_tables == (ShiftTable.TURKISH, ShiftTable.SPANISH)
    assert [(tlv.tag, tlv.value) for tlv in made.tlvs] == [(0x1401, b"\xe9"), (0x1402, b"\x01\xff")]


def test_tls_is_a_switch_or_a_table(tmp_path: Path) -> None:
    """Files are looked up beside the configuration."""
    (tmp_path / "ca.pem").touch()
    (tmp_path / "us.pem").touch()
    assert carrier("tls = false").tls is None
    assert carrier("tls = true").tls == Tls()
    made = carrier('tls = { ca_file = "ca.pem", certificate = "us.pem" }', tmp_path).tls
    assert made == Tls(ca_file=str(tmp_path / "ca.pem"), certificate=str(tmp_path / "us.pem"))


def test_policies_reach_the_table() -> None:
    """R-5.7: code or name, with a policy alone or with more."""
    made = carrier(
        """
        [statuses]
        ESME_RSYSERR = "fail"
        RSUBMITFAIL = "retry"
        0x401 = { policy = "retry", label = "NO_CREDIT", alert = true }
        1026 = "throttle"
        """
    )
    policies = Policies(
        {
            one.number: Override(policy=Policy(one.policy), name=one.label, alert=one.alert)
            for one in made.statuses
        }
    )
    assert policies.info(0x08).policy is Policy.FAIL
    assert policies.info(0x45).policy is Policy.RETRY
    assert policies.info(0x401).name == "NO_CREDIT"
    assert policies.info(0x401).alert
    assert policies.info(0x402).policy is Policy.THROTTLE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('shift_tables = ["klingon"]', 'shift_tables[0] = "klingon": expected one of turkish'),
        ('shift_tables = "turkish"', "shift_tables: expected a list of turkish, spanish"),
        ('alphabet = "latin1"\nshift_tables = ["turkish"]', "shift tables go with gsm"),
        ('service_type = "SIXLET"', 'service_type = "SIXLET": expected at most 5 Latin-1'),
        ("priority = 4", "priority = 4: expected 0 to 3"),
        ("ucs2_coding = 256", "ucs2_coding = 256: expected a data_coding"),
        ('version = "3.5"', 'version = "3.5": expected one of 3.3, 3.4, 5.0'),
        (
            'version = "3.3"\nlong_messages = "sar"',
            'long_messages = "sar": is a matter of optional',
        ),
        ('version = "3.3"\ntlvs = [{tag = 1, hex = ""}]', "tlvs: is a matter of optional"),
        ("tlvs = [{tag = 1}]", "tlvs[0]: expected a value: either text or hex"),
        ('tlvs = [{tag = 1, text = "a", hex = "00"}]', "tlvs[0]: expected a value: either"),
        ('tlvs = [{tag = 1, hex = "0"}]', 'tlvs[0].hex = "0": expected pairs of hexadecimal'),
        ('tlvs = [{tag = 65536, hex = ""}]', "tlvs[0].tag = 65536: expected a tag"),
        ('tlvs = [{tag = 0x424, hex = ""}]', "tlvs[0].tag: 0x0424 is set by long_messages"),
        ("tls = 1", "tls = 1: expected true, false or a table"),
        ("tls = {cafile = 1}", "tls.cafile: unknown key; did you mean ca_file?"),
        ('tls = {ca_file = "none.pem"}', "the file can't be read: No such file or directory"),
        ('tls = {ca_file = "."}', "the file can't be read: Is a directory"),
        ('tls = {key = "pyproject.toml"}', "tls.key: a key without its certificate"),
        ('tls = {ca_file = "pyproject.toml", verify = false}', "has no use with verify = false"),
        ('statuses = {RTHROTLED = "fail"}', "expected a command_status: its number, like 0x58"),
        ('statuses = {RTHROTTLED = "failed"}', 'policy = "failed": expected one of accepted'),
        ('statuses = {0x58 = "fail", RTHROTTLED = "fail"}', "is 0x58, which is there already"),
        ('statuses = {0 = "fail"}', "is success"),
        ("statuses = {0x401 = {alert = true}}", "statuses.0x401.policy: missing; expected one of"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(text: str, why: str) -> None:
    with pytest.raises(Fault) as raised:
        carrier(text)
    assert why in str(raised.value)
    assert str(raised.value).startswith("carriers.tui.")
    assert "\n" not in str(raised.value)


def test_the_words_are_those_of_smpp() -> None:
    """The configuration knows nobody, so each list stands twice, and is the same."""
    assert set(Alphabet) == set(get_args(SmppAlphabet))
    assert set(LongMessages) == set(get_args(segments.Method))
    assert {one.upper() for one in ShiftTable} == set(segments.Language.__members__)
    assert [*StatusPolicy] == [p.value for p in Policy if not p.name.startswith("BIND_")]
    assert {version.number for version in Version} == {0x33, 0x34, 0x50}
    names = {f"{statuses.PREFIX}{name}": number for name, number in statuses.NUMBERS.items()}
    assert names == {row.name: row.number for row in status.TABLE.values() if row.number}


@pytest.mark.parametrize("weight", [0, -1, 1001])
def test_a_route_needs_weights(weight: int) -> None:
    """R-5.5: a carrier that is to get nothing is left out."""
    outside = Outside(environ={}, directory=Path())
    route = {"carriers": [{"name": "tui", "weight": weight}]}
    with pytest.raises(
        Fault, match=r"carriers\[0\]\.weight = -?\d+: expected a whole number, 1 to"
    ):
        read(route, Route, ("routes", 0), outside)
