"""Viewers read, operators send, admins configure."""

import pytest

from engine.domain.roles import Role, may, needed


@pytest.mark.parametrize(
    ("action", "role"),
    [
        (None, Role.VIEWER),
        ("list.create", Role.OPERATOR),
        ("list.import", Role.OPERATOR),
        ("campaign.create", Role.OPERATOR),
        ("member.optout", Role.OPERATOR),
        ("blacklist.add", Role.OPERATOR),
        ("blacklist.remove", Role.ADMIN),
        ("member.optin", Role.ADMIN),
        ("campaign.send-to-opted-out", Role.ADMIN),
        ("setting.set", Role.ADMIN),
        ("sender.add", Role.ADMIN),
        ("prefix.delete", Role.ADMIN),
        ("user.add", Role.ADMIN),
        ("app.edit", Role.ADMIN),
    ],
)
def test_who_may_do_what(action: str | None, role: Role) -> None:
    assert needed(action) is role
    order = list(Role)
    assert [may(one, action) for one in order] == [
        order.index(one) >= order.index(role) for one in order
    ]
