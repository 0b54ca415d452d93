"""Where callbacks may go, and with which headers (R-7.3)."""

from __future__ import annotations

import pytest

from engine.domain.endpoint import check_headers, check_url, is_public
from engine.domain.errors import Refused


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/sms?key=1",
        "http://api.example.com:8080",
        "https://192.0.32.8/x",
        "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/x",
        "HTTPS://API.EXAMPLE.COM/",
        "https://xn--bcher-kva.example/%C3%A4",
        "https://api_1.example.com./x",
    ],
)
def test_an_endpoint_of_the_internet_is_taken(url: str) -> None:
    """R-7.3"""
    assert check_url("callback URL", f" {url}\n", allow_private=False) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "write it whole"),
        ("api.example.com/sms", "write it whole"),
        ("ftp://api.example.com/", "write it whole"),
        ("https:///sms", "write it whole"),
        ("https://api.example.com:99999/", "no URL"),
        ("https://api.example.com:x/", "no URL"),
        ("https://api.example.com:0/", "no port 0"),
        ("https://[::1/", "no URL"),
        ("https://a b.example.com/", "without blanks"),
        ("https://api.example.com/\r\nX: y", "without blanks"),
        ("https://bücher.example/", "only ASCII"),
        ("https://api.example.com/#part", "never sent"),
        ("https://api..example.com/", "no name of a host"),
        ("https://-api.example.com/", "no name of a host"),
        ("https://2130706433/", "no address"),
        ("https://0x7f.1/", "no address"),
        ("https://127.1/", "no address"),
        (f"https://api.example.com/{'x' * 2_000}", "at most 2,000"),
    ],
)
def test_what_is_no_url_is_refused(url: str, why: str) -> None:
    """R-7.3: with what to write instead."""
    with pytest.raises(Refused, match=why):
        check_url("callback URL", url, allow_private=True)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    """R-8.5"""
    with pytest.raises(Refused, match="has a user in it") as raised:
        check_url("callback URL", "https://me:hush@api.example.com/", allow_private=False)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0"),
        *("[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "[::]", "[64:ff9b::7f00:1]"),
        *("localhost", "LOCALHOST.", "db.internal", "printer.local", "a.localhost"),
    ],
)
def test_this_machine_and_private_networks_only_where_it_is_allowed(host: str) -> None:
    """R-7.3"""
    url = f"http://{host}:8080/x"
    with pytest.raises(Refused, match="allow_private = true"):
        check_url("callback URL", url, allow_private=False)
    assert check_url("callback URL", url, allow_private=True) == url


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("192.0.32.8", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.53", False),
        ("100.64.0.1", False),
        ("198.18.0.1", False),
        ("192.0.2.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::ffff:192.0.32.8", True),
        ("::ffff:192.168.0.1", False),
        ("::127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("fe80::1%eth0", False),
        ("ff02::1", False),
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    """R-7.3"""
    assert is_public(address) is public


def test_headers_are_taken_as_they_are_written() -> None:
    """R-7.3: a value may hold an equals sign."""
    given = ["X-Api-Key=abc=", " Authorization = Basic dTpw "]
    taken = {"X-Api-Key": "abc=", "Authorization": "Basic dTpw"}
    assert check_headers(given, oauth=False) == taken


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        (["X-Key"], "write it as Name=value"),
        (["=hush"], "no name of a header"),
        (["X Key=hush"], "no name of a header"),
        (["X-Key\r\n=hush"], "line break|no name"),
        (["X-Key=hush\r\nHost: x"], "line break"),
        (["X-Key=hüsh"], "outside of ASCII"),
        (["X-Key="], "is empty"),
        (["Host=hush"], "set by the exchange itself"),
        (["content-type=hush"], "set by the exchange itself"),
        (["Content-Length=5hush"], "set by the exchange itself"),
        (["Transfer-Encoding=hush"], "set by the exchange itself"),
        (["idempotency-key=hush"], "set by the exchange itself"),
        (["X-Key=hush", "x-key=hush"], "given twice"),
        ([f"X-Key=hush{'h' * 4_000}"], "4,004 characters"),
        ([f"X-Key-{n}=hush" for n in range(21)], "21 headers; at most 20"),
    ],
)
def test_a_header_that_would_do_harm_is_refused(pairs: list[str], why: str) -> None:
    """R-7.3; and its value is not shown (R-8.5)."""
    with pytest.raises(Refused, match=why) as raised:
        check_headers(pairs, oauth=False)
    assert "hush" not in str(raised.value)


def test_only_one_of_oauth_and_a_header_authorizes() -> None:
    """R-7.3"""
    with pytest.raises(Refused, match="OAuth 2 sets it"):
        check_headers(["authorization=Basic x"], oauth=True)
