from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnome_lite.core.plain_text import LONGEST_NAME, file_name, printable, printable_lines

ANY_TEXT = st.text(st.characters())  # lone surrogates too: file names hold them


@pytest.mark.parametrize(
    "text", ["Ca(NO3)2", "mp-GGA_GGA+U-MP2020", "Å^3 ± Δ-model", "P6_3/mmc", "[bold]", "\\x1b", ""]
)
def test_what_prints_is_left_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("one\r\ntwo\x00\x7f\x9b", "one\\r\\ntwo\\x00\\x7f\\x9b"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\u2028\ufeff", "\\u2028\\ufeff"),
        ("file\udcff", "file\\udcff"),
    ],
)
def test_what_does_not_print_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable_lines(f"a\n{text}".replace("\r\n", "")).startswith("a\n")


@given(ANY_TEXT)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    assert printable(text).isprintable()
    assert printable_lines(text).count("\n") == text.count("\n")


@given(ANY_TEXT | st.sampled_from(["..", ".", "../up", "/root", "a/../b", "-rf", ".hidden", "C:\\x", "nul\0"]))
def test_a_file_name_is_one_safe_part(text: str) -> None:
    name = file_name(text)
    assert PurePath(name).parts == (name,)
    assert name.isascii()
    assert name.isprintable()
    assert not name.startswith((".", "-"))
    assert 0 < len(name) <= LONGEST_NAME
    assert not set(name) & set("/\\:*?\"'<>| $&;`")
    assert file_name(name) == name


def test_formulas_and_levels_keep_their_names() -> None:
    for text in ("Ca(NO3)2", "mp-GGA_GGA+U-MP2020", "gpaw-22.8.0-PBE-PW800-K3.5-1a2b3c4d"):
        assert file_name(text) == text
    assert file_name("mypackage.potentials:make-1.0") == "mypackage.potentials_make-1.0"
