"""What every page begins with: errors become sentences, names stay as written, the address decides."""

from __future__ import annotations

import logging

import pytest
from streamlit.testing.v1 import AppTest

from matrep_ui.page import plain


def refusing() -> None:
    from matrep_core.errors import NotThere
    from matrep_ui.page import show_errors

    with show_errors():
        raise NotThere("There is no material 'PEG-8 *dist*'.")


def failing() -> None:
    import streamlit as st

    from matrep_ui.page import show_errors

    @show_errors()
    def part() -> None:
        raise ZeroDivisionError("a secret path")

    part()
    st.write("never reached")


def choosing() -> None:
    import streamlit as st

    from matrep_ui.page import from_url, url_selectbox

    chosen = url_selectbox("Letter", ["a", "b", "c"], "run", default="b", drop=["step"])
    st.text(f"{chosen} {from_url('run')} {from_url('step')}")


def test_a_refusal_is_shown_in_its_own_words() -> None:
    page = AppTest.from_function(refusing).run()
    assert [error.value for error in page.error] == [plain("There is no material 'PEG-8 *dist*'.")]
    assert not page.exception


def test_an_unexpected_fault_is_logged_and_shown_without_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="matrep"):
        page = AppTest.from_function(failing).run()
    assert len(page.error) == 1 and "did not expect" in page.error[0].value
    assert "secret" not in page.error[0].value
    assert not page.exception and not page.markdown
    assert "a secret path" in caplog.text


def test_the_address_decides_what_a_selectbox_shows() -> None:
    page = AppTest.from_function(choosing)
    assert page.run().text[0].value == "b None None"
    page.query_params["run"] = "c"
    page.query_params["step"] = "7"
    assert page.run().text[0].value == "c c 7"
    assert page.selectbox[0].set_value("a").run().text[0].value == "a a None"  # the step belonged to the old choice
    page.query_params["run"] = "nobody"
    assert page.run().text[0].value == "None nobody None"


@pytest.mark.parametrize("text", ["PEG-8 *dist*", "a_b_c", "<b>", "# x", "[a](b)", "1. x", "$a$", "`x`", "\\", "~~x~~", "|a|"])
def test_no_mark_of_markdown_is_left_bare(text: str) -> None:
    shown = plain(text)
    assert shown.replace("\\", "") == text.replace("\\", "")
    bare = [c for i, c in enumerate(shown) if c in "*_<#[`$~|" and (i == 0 or shown[i - 1] != "\\")]
    assert bare == []


def test_icons_and_addresses_are_broken_where_no_escape_reaches() -> None:
    for text in (":smile:", ":material/home:", "a -> b", "--", "www.example.org", "a@b.org", "http://example.org"):
        shown = plain(text)
        assert "\N{WORD JOINER}" in shown
        assert shown.replace("\N{WORD JOINER}", "").replace("\\", "") == text
    assert plain("water 12 %") == "water 12 \\%"
