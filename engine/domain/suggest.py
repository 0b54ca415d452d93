"""The end of an error message about an unknown name: what may have been meant."""

import difflib
from collections.abc import Iterable

_MOST = 3  # more than three names are a list to read, not a hint


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean A or B?` with the nearest of `known`, or `""` when none is near.

    Case is ignored, and a name that is the last part of a known one (`Auckland` of
    `Pacific/Auckland`) counts as near. The text is made to follow an error message at once:
    `list "custmers" not found; did you mean customers?`
    """
    by_folded: dict[str, str] = {}
    for candidate in known:
        by_folded.setdefault(candidate.casefold(), candidate)
    wanted = name.casefold().strip()
    near = [folded for folded in by_folded if wanted and folded.rpartition("/")[2] == wanted]
    near += difflib.get_close_matches(wanted, by_folded, n=_MOST)
    names = [by_folded[folded] for folded in dict.fromkeys(near)][:_MOST]
    return f"; did you mean {' or '.join(names)}?" if names else ""
