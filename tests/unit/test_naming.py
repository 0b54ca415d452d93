"""What names and addresses people may give."""

import pytest

from engine.operations import Refused
from engine.operations.naming import check_email


@pytest.mark.parametrize(
    "text", ["me@example.net", " o'neil+news@mail.example.net ", "müller@bücher.example", "a@b"]
)
def test_one_address(text: str) -> None:
    """R-6.8"""
    assert check_email(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "me",
        "@example.net",
        "me@",
        "me@x@example.net",
        "a@b, c@d",
        "Me <me@example.net>",
        "me@[127.0.0.1]",
        "me@[x",
        "me@x:25",
        "(me)@example.net",
        "me\\@example.net",
        "me@example.net\r\nBcc: you@example.net",
        "m" * 250 + "@example.net",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """R-6.8: what mail could not go to, or what would be more than one."""
    with pytest.raises(Refused, match="write one address"):
        check_email(text)
