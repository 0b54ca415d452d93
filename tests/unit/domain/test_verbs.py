"""What may be done with a campaign in which state (R-3.5)."""

import pytest

from engine.domain.campaign import ENDED, LEGAL, CampaignState
from engine.domain.errors import Refused
from engine.domain.verbs import Verb, after

S, V = CampaignState, Verb
NOT_BEGUN = (S.SCHEDULED, S.WAITING, S.PAUSED)
BEGUN = (S.WAITING, S.RUNNING, S.PAUSED, S.FINISHING)
CASES = (
    [(state, False) for state in NOT_BEGUN]
    + [(state, True) for state in BEGUN]
    + [(state, state is not S.CANCELLED) for state in sorted(ENDED)]
)

MAY = {
    (S.SCHEDULED, False): {V.EDIT: S.SCHEDULED, V.CANCEL: S.CANCELLED, V.DELETE: S.CANCELLED},
    (S.WAITING, False): {
        V.EDIT: S.SCHEDULED, V.PAUSE: S.PAUSED, V.CANCEL: S.CANCELLED, V.DELETE: S.CANCELLED,
    },
    (S.PAUSED, False): {V.RESUME: S.WAITING, V.STOP: S.STOPPED},
    (S.WAITING, True): {V.PAUSE: S.PAUSED, V.STOP: S.STOPPED},
    (S.RUNNING, True): {V.PAUSE: S.PAUSED, V.STOP: S.STOPPED},
    (S.PAUSED, True): {V.RESUME: S.WAITING, V.STOP: S.STOPPED},
    (S.FINISHING, True): {V.STOP: S.STOPPED},
    (S.COMPLETED, True): {V.DELETE: S.COMPLETED},
    (S.STOPPED, True): {V.DELETE: S.STOPPED},
    (S.CANCELLED, False): {V.DELETE: S.CANCELLED},
    (S.EXPIRED, True): {V.DELETE: S.EXPIRED},
}  # fmt: skip


@pytest.mark.parametrize(("state", "begun"), CASES)
@pytest.mark.parametrize("verb", Verb)
def test_what_may_be_done(verb: Verb, state: CampaignState, begun: bool) -> None:
    """R-3.5: by the table above, within what may follow a state; else one line says why not."""
    if (became := MAY[state, begun].get(verb)) is not None:
        assert after(verb, 12, state, begun=begun) is became
        assert became is state or became in LEGAL[state]
        return
    with pytest.raises(Refused, match=r"^campaign 12 (is|has) ") as refused:
        after(verb, 12, state, begun=begun)
    said = str(refused.value)
    # What it advises can be done.
    for other in Verb:
        assert f"campaign {other} 12" not in said or other in MAY[state, begun], said
