"""Params in a message (R-2.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import Refused
from engine.domain.merge import compile_text, missing

param = st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["%%1%%", "%%7%%", "%%", "%"]))
piece = st.one_of(st.integers(1, 6), st.text(st.sampled_from("ab 1\n€"), max_size=10))


@given(st.lists(piece, max_size=12), st.lists(param, max_size=6))
def test_each_placeholder_becomes_its_param_once(
    pieces: list[int | str], params: list[str | None]
) -> None:
    """One pass: what a param holds is never merged again; a missing one leaves nothing."""
    text = "".join(f"%%{one}%%" if isinstance(one, int) else one for one in pieces)
    padded = [*params, *[None] * 6]
    template = compile_text(text)
    assert template.merge(params) == "".join(
        (padded[one - 1] or "") if isinstance(one, int) else one for one in pieces
    )
    referred = sorted({one for one in pieces if isinstance(one, int)})
    assert list(template.params) == referred
    assert list(missing(template, params)) == [n for n in referred if not padded[n - 1]]


def test_the_guides_message() -> None:
    template = compile_text(
        "Hai %%1%%, pembayaran Anda berikutnya jatuh tempo pada %%3%% untuk %%4%%. "
        "Silakan hubungi %%5%% untuk menyediakan akun Anda#."
    )
    assert template.merge(["Sarah", "Evans", "14 Nov", "$321.45", "080012345"]) == (
        "Hai Sarah, pembayaran Anda berikutnya jatuh tempo pada 14 Nov untuk $321.45. "
        "Silakan hubungi 080012345 untuk menyediakan akun Anda#."
    )
    assert template.params == (1, 3, 4, 5)


@pytest.mark.parametrize(
    "text", ["100% sure", "50%% off, 20%% cash", "%%%%", "%1%", "%% %%", "a%%", ""]
)
def test_percent_signs_that_mean_themselves(text: str) -> None:
    assert compile_text(text).merge(["x"]) == text


def test_percent_signs_beside_a_placeholder() -> None:
    assert compile_text("%%%1%%%").merge(["50"]) == "%50%"
    assert compile_text("%%1%%%%2%%2%%").merge(["a", "b"]) == "ab2%%"


@pytest.mark.parametrize(
    "wrong", ["%%0%%", "%%7%%", "%%x%%", "%%01%%", "%%-1%%", "%% 1 %%", "%%１%%", "%%first.name%%"]
)
def test_an_unknown_placeholder_is_refused_with_its_place(wrong: str) -> None:
    with pytest.raises(Refused) as refused:
        compile_text(f"Hi %%1%% {wrong}")
    assert str(refused.value) == (
        f"message: unknown placeholder {wrong} (character 10); "
        "%%1%% to %%6%% stand for a member's params"
    )


def test_all_unknown_placeholders_are_named_at_once() -> None:
    with pytest.raises(Refused, match=r"placeholders %%0%% \(character 1\), %%x%% \(character 8\)"):
        compile_text("%%0%%, %%x%%")


@pytest.mark.parametrize(("text", "code"), [("a\0", "0000"), ("a\udc80", "DC80")])
def test_what_is_no_text_is_refused(text: str, code: str) -> None:
    """A shell in the wrong locale hands over half surrogates; the database would choke on them."""
    with pytest.raises(Refused, match=rf"character 2: U\+{code} is no character"):
        compile_text(text)
