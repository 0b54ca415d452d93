"""Mails as they are written: nothing that anybody wrote adds a header (R-6.8)."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.letter import Import, Reply, letter, shown

AT = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
REPLY = Reply(
    list="March",
    batch=None,
    campaign_id=7,
    campaign_text=None,
    mobile="+64215550199",
    destination="3774",
    received_at=AT,
    timezone="Pacific/Auckland",
    text="Yes",
    whole=True,
    meaning="reply",
    params=(),
)
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "References",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
]


def octets(content: Reply | Import, *, recipient: str = "a@example.net") -> bytes:
    return letter(
        content,
        sender="siaran@example.org",
        recipient=recipient,
        at=AT,
        message_id="1.2@example.org",
        thread="campaign-7.3@example.org",
    )


def read(written: bytes) -> EmailMessage:
    message = email.message_from_bytes(written, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize(
    "name",
    [
        "x\r\nBcc: evil@example.net",
        "x\nBcc: evil@example.net\n\nbody",
        "x\u2028Bcc: evil@example.net",
        "x\x00\x0b\x0c\x85y",
        "=?utf-8?q?x=0D=0ABcc:_evil@example.net?=",
        "長い名前" * 60,
        "w" * 5000,
        "",
    ],
)
def test_a_lists_name_adds_no_header(name: str) -> None:
    """R-6.8"""
    message = read(octets(replace(REPLY, list=name)))
    assert sorted(message.keys()) == sorted(HEADERS)
    assert max(map(len, octets(replace(REPLY, list=name)).split(b"\r\n"))) <= 998


def test_marks_that_turn_the_direction_stay_in_the_text() -> None:
    """In a subject they would turn what follows."""
    turned = replace(REPLY, list="a\u202eb", text="\u200fשלום\u202e")
    message = read(octets(turned))
    assert message["Subject"] == "Reply to list a b, campaign 7"
    body = message.get_body()
    assert body is not None
    assert "\u200fשלום\u202e" in body.get_content()


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_comes_through(text: str) -> None:
    """R-6.8: but for how its lines end, and blank ones at its end."""
    body = read(octets(replace(REPLY, text=text))).get_body()
    assert body is not None
    came = body.get_content().replace("\r\n", "\n").partition("\n\n")[2]
    assert came.splitlines() == (text + "\n").splitlines() or came.split() == text.split()


@pytest.mark.parametrize("recipient", ["a..b@x", "'o@x.example", "a@[1.2.3.4]", "w(c)@x.example"])
def test_odd_addresses_are_written_as_they_are(recipient: str) -> None:
    assert f"To: {recipient}\r\n".encode() in octets(REPLY, recipient=recipient)


def test_what_is_not_kept_any_more() -> None:
    """R-9.3: the mail says so."""
    gone = replace(REPLY, mobile=None, destination=None, received_at=None, text=None)
    assert "the text is no longer kept" in gone.body
    assert "Parts of the message" in replace(REPLY, whole=False).body


def test_a_report_tells_how_many_of_its_invalid_rows_are_attached() -> None:
    """R-1.6"""
    report = {"list": "L", "rows": 5000, "imported": 0, "invalid": 3000}
    rows = [[n, "x", "no number"] for n in range(1000)]
    told = Import(by="anna", report=report, errors=rows)
    assert told.subject == "Import into list L: nothing was imported"
    assert "errors.csv has the first 1,000 of 3,000 invalid rows" in told.body
    assert Import(by="anna", report=report).attachment is None


def test_shown_is_one_line_of_a_length() -> None:
    assert shown(" a\r\n\tb ") == "a b"
    assert len(shown("x" * 500)) == 120
