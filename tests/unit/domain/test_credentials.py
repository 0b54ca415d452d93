"""Passwords and tokens, and what is kept of them (R-7.8, R-8.5)."""

import pytest

from engine.domain import credentials
from engine.domain.errors import Refused


def test_a_password_fits_what_is_kept_of_it_and_no_other_does() -> None:
    kept = credentials.hashed("correct horse battery", b"salt" * 4)
    assert "horse" not in kept
    assert credentials.fits("correct horse battery", kept)
    assert not credentials.fits("correct horse batterz", kept)
    assert credentials.hashed("correct horse battery", b"else" * 4) != kept


def test_older_numbers_of_scrypt_are_still_read() -> None:
    octets = credentials._scrypt("correct horse battery", b"salt", 2**10, 8, 1)
    assert credentials.fits(
        "correct horse battery", f"scrypt:1024:8:1:{b'salt'.hex()}:{octets.hex()}"
    )


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 1025])
def test_what_is_no_password_is_refused(password: str) -> None:
    with pytest.raises(Refused, match="write 12 to 1,024"):
        credentials.check_password(password)


def test_a_token_is_known_again_by_its_hint_alone() -> None:
    token = credentials.token_of(bytes(range(32)))
    assert token == "siaran_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert credentials.hint(token) == "siaran_AAECAw"
    assert credentials.digest(token) != credentials.digest(credentials.hint(token))
