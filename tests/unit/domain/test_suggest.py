"""An error about an unknown name says what may have been meant."""

import pytest

from engine.domain.suggest import did_you_mean

NAMES = ["Customers", "Customers 2025", "staff", "Pacific/Auckland"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("custmers", "; did you mean Customers or Customers 2025?"),
        ("STAFF", "; did you mean staff?"),
        ("auckland", "; did you mean Pacific/Auckland?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_names_the_nearest(name: str, hint: str) -> None:
    assert did_you_mean(name, NAMES) == hint
