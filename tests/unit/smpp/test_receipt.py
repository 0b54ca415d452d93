"""Receipts of the real world (R-5.8)."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import receipt, receipt_dates
from smpp.receipt import Receipt, ReceiptState

SAMPLES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "receipts.jsonl").read_text("utf-8").splitlines()
]
APPENDIX_B = (
    b"id:00305419896 sub:001 dlvrd:001 submit date:2609051430 done date:2609051431"
    b" stat:DELIVRD err:000 text:hello"
)


def tlvs_of(sample: dict[str, Any]) -> dict[int, bytes]:
    described = sample["tlv"] or {}
    tlvs = {}
    if "receipted_message_id" in described:
        tlvs[0x001E] = described["receipted_message_id"].encode("latin-1")
    if "message_state" in described:
        tlvs[0x0427] = bytes((described["message_state"],))
    if "network_error_code" in described:
        tlvs[0x0423] = bytes.fromhex(described["network_error_code"])
    return tlvs


def read(
    text: bytes, tlvs: dict[int, bytes] | None = None, esm_class: int = 4, data_coding: int = 0
) -> Receipt:
    found = receipt.parse(text, tlvs or {}, esm_class, data_coding)
    assert found is not None
    return found


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["text"][:20])
def test_a_sample_reads_as_it_should(sample: dict[str, Any]) -> None:
    found = receipt.parse(sample["text"].encode("latin-1"), tlvs_of(sample), sample["esm_class"], 0)
    expected = sample["expect"]
    if not expected["is_dlr"]:
        assert found is None
        return
    assert found is not None
    for name in ("id", "stat", "final", "err", "sub", "dlvrd", "text"):
        assert getattr(found, name) == expected[name], name
    # The samples call a word that no table knows "unknown, not known to be final".
    unrecognised = (expected["state"], expected["final"]) == ("unknown", None)
    assert found.state == ("unrecognised" if unrecognised else expected["state"])
    for name in ("submit_date", "done_date"):
        assert getattr(found, name) == (
            datetime.fromisoformat(expected[name]) if expected[name] else None
        )
    assert found.ids == tuple(
        expected.get("id_candidates", [expected["id"]] if expected["id"] else [])
    )


def test_there_are_47_samples() -> None:
    assert len(SAMPLES) == 47


@pytest.mark.parametrize("stat", [word for info in receipt.STATES.values() for word in info.words])
@pytest.mark.parametrize("form", ["{}", "{} ", " {}"])
def test_every_state_word_is_known_in_both_paths(stat: str, form: str) -> None:
    """A blank before or behind takes the text off the short way; the reading is the same."""
    text = APPENDIX_B.replace(b"stat:DELIVRD", f"stat:{form.format(stat)}".encode())
    found = read(text)
    info = receipt.STATES[found.state]
    assert found.stat == stat
    assert stat in info.words
    assert found.final is info.final


def test_the_tlvs_beat_the_text() -> None:
    """wire.md, rule 4; both ids are candidates."""
    found = read(APPENDIX_B, {0x1E: b"12345678\0", 0x427: b"\5"})
    assert found.ids == ("12345678", "00305419896")
    assert (found.state, found.final) == (ReceiptState.UNDELIVERABLE, True)
    assert found.stat == "DELIVRD"


@pytest.mark.parametrize("octets", [b"", b"\x63", b"\0\0"])
def test_a_message_state_that_says_nothing_leaves_the_text_its_word(octets: bytes) -> None:
    assert read(APPENDIX_B, {0x427: octets}).state is ReceiptState.DELIVERED


@pytest.mark.parametrize(
    ("text", "tlvs", "esm_class", "is_receipt"),
    [
        (b"hello", {}, 0x04, True),
        (b"hello", {}, 0x44, True),
        (b"hello", {}, 0x20, True),
        (b"hello", {}, 0x08, False),  # acknowledgements of people
        (b"hello", {}, 0x10, False),
        (b"hello", {0x1E: b"7"}, 0x00, True),
        (b"id:7 stat:FAILED", {}, 0x00, True),
        (b"id:7 stat:odd", {}, 0x00, False),
        (b"id:7 DELIVRD", {}, 0x00, False),
        (b"stat:FAILED", {}, 0x00, False),
        (b"", {0x424: APPENDIX_B}, 0x00, True),
        (b"", {}, 0x00, False),
    ],
)
def test_what_is_a_receipt(
    text: bytes, tlvs: dict[int, bytes], esm_class: int, is_receipt: bool
) -> None:
    """wire.md, rules 1 and 2."""
    assert (receipt.parse(text, tlvs, esm_class, 0) is not None) is is_receipt


@pytest.mark.parametrize(
    ("text", "esm_class", "data_coding"),
    [
        (APPENDIX_B + b"\0", 4, 0),
        (b"\5\0\3\1\1\1" + APPENDIX_B, 0x44, 0),
        (APPENDIX_B.decode().encode("utf-16-be"), 4, 8),
        (APPENDIX_B, 4, 8),  # declared, and not done
        (APPENDIX_B.replace(b"id:", b"ID: ").replace(b" date", b"date"), 4, 0),
        (APPENDIX_B.replace(b"dlvrd:001 ", b"dlvrd:001 odd "), 4, 0),
    ],
)
def test_wrappings_make_no_difference(text: bytes, esm_class: int, data_coding: int) -> None:
    assert read(text, None, esm_class, data_coding) == read(APPENDIX_B)


def test_what_follows_text_overrides_nothing() -> None:
    """wire.md, rule 3: a sender's own text must not forge a state."""
    found = read(b"id:1 stat:UNDELIV err:005 text:id:2 stat:DELIVRD err:000")
    assert (found.ids, found.stat, found.err) == (("1",), "UNDELIV", "005")


def test_intermediate_is_marked() -> None:
    found = read(APPENDIX_B.replace(b"DELIVRD", b"ENROUTE"), esm_class=0x20)
    assert (found.intermediate, found.final) == (True, False)


@pytest.mark.parametrize(
    ("smsc_id", "others"),
    [
        ("00305419896", {"305419896", "12345678"}),
        ("12345678", {"305419896", "bc614e"}),
        ("1A2B", {"1a2b", "6699"}),
        ("DA86D461-x", {"da86d461-x"}),
        ("0", set()),
        ("²", set()),
    ],
)
def test_candidates(smsc_id: str, others: set[str]) -> None:
    """Ids come back in another base, in another case, or with their zeros stripped."""
    found = receipt.candidates(smsc_id)
    assert found[0] == smsc_id
    assert others <= set(found)
    assert len(set(found)) == len(found)


def test_an_id_too_long_for_a_number_is_left_alone() -> None:
    assert receipt.candidates("9" * 5000) == ("9" * 5000,)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    "id:",
                    "ID:",
                    "stat:",
                    "DELIVRD",
                    "err:",
                    "text:",
                    "sub:",
                    "x",
                    "é",
                    "0000000000",
                    "20260905143012",
                ]
            )
        ).map(lambda words: " ".join(words).encode("latin-1")),
    ),
    st.dictionaries(st.sampled_from([0x1E, 0x424, 0x427]), st.binary(max_size=40)),
    st.integers(0, 255),
    st.integers(0, 255),
)
def test_whatever_comes_is_read_or_is_none(
    text: bytes, tlvs: dict[int, bytes], esm_class: int, data_coding: int
) -> None:
    """wire.md, rule 6: never raise; and what is read can be stored."""
    found = receipt.parse(text, tlvs, esm_class, data_coding)
    if found is None:
        return
    words = [*found.ids, found.stat, found.err, found.text]
    for smsc_id in found.ids:
        words += receipt.candidates(smsc_id)
    for word in filter(None, words):
        word.encode("utf-8")
        assert "\0" not in word


@given(
    st.from_regex(r"[!-~]{1,65}", fullmatch=True),
    st.sampled_from(list(receipt.STATES)),
    st.datetimes(datetime(2000, 1, 1), datetime(2068, 12, 31)),
    st.text(st.characters(codec="latin-1", exclude_characters="\0"), max_size=30),
)
def test_what_we_render_we_read(smsc_id: str, state: ReceiptState, at: datetime, text: str) -> None:
    at = at.replace(second=0, microsecond=0)
    written = receipt_dates.write(at)
    found = read(receipt.render(smsc_id, state, submit_date=written, done_date=written, text=text))
    assert (found.id, found.state, found.submit_date) == (smsc_id, state, at)
    assert found.text == text[:20]
    assert found.dlvrd == (state is ReceiptState.DELIVERED)
