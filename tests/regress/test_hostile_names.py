"""Names, texts and messages from outside in JUnit XML and on the page: nothing of them becomes markup or a control."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.regress.test_regress_reports import case, summary
from ttsctl.core.verdict import Verdict
from ttsctl.regress.pages import junit_xml, regress_html
from ttsctl.regress.runner import CaseError
from ttsctl.regress.summary import BaselineFacts, RegressSummary, SuiteFacts

HOSTILE = [
    "line\nbreak\r\nand\ttab",
    "nul\x00 escape\x1b[31mred bell\x07 c1\x9b",
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "]]><!--x--><![CDATA[y]]>&amp;&#0;&unknown;",
    "{{ 7 * 7 }}{% raw %}{# x #}",
    "[bold]rich[/bold]",
    "turned \u202e round \u2028 new line",
    "no byte \udcff of UTF-8, \ufffe and \uffff no characters",
    "a" * 5000,
]


def named(name: str) -> RegressSummary:
    """Every text that comes from outside is ``name``."""
    verdicts = [
        Verdict("peak", "fail", "<", 0.99, 0.995, where=name, reason=name),
        Verdict(f"pin:{name}", "error", "==", name, name, where=name, reason=name),
        Verdict("times", "not_comparable", "<=", 80, None, "ms", reason=name),
    ]
    made = summary(verdicts, [case(name), case(f"{name}2", CaseError(name, name))])
    suite = SuiteFacts(name=name, path=name, sha256="0", runs=3, warmup=0, timeout_s=1.0)
    baseline = BaselineFacts(
        folder=name, absent=None, suite=name, created_utc=name, cases_not_run=[name], settings_differ=[name]
    )
    return made.model_copy(
        update={
            "suite": suite,
            "baseline": baseline,
            "headline": name,
            "notes": [name],
            "config": {name: {name: name}},
            "provenance": {name: name},
        }
    )


class Parsed(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


PLAIN = named("plain")
PLAIN_TAGS = Parsed(regress_html(PLAIN)).tags


def outline(document: str) -> list[tuple[str, list[str]]]:
    return [(element.tag, sorted(element.attrib)) for element in ElementTree.fromstring(document.encode()).iter()]


def check(name: str) -> None:
    """The same elements as with a plain name, and nothing in them that moves a cursor or hides a word."""
    found = junit_xml(named(name))
    assert outline(found) == outline(junit_xml(PLAIN))
    page = regress_html(named(name))
    assert Parsed(page).tags == PLAIN_TAGS
    for document in (found, page):
        document.encode("utf-8")
        assert not set(document) & set("\x00\x07\x1b\x9b\u202e\u2028\ud800\udcff")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_changes_no_element(name: str) -> None:
    check(name)


@settings(max_examples=15)
@given(st.text(st.characters(), min_size=1, max_size=40))
def test_no_text_does(name: str) -> None:
    check(name)


def test_what_can_be_shown_is_shown_as_it_is() -> None:
    """The control: a name is escaped and not dropped."""
    name = "<b>\"quoted\" & 'so'</b> {{ x }}"
    root = ElementTree.fromstring(junit_xml(named(name)))
    assert root[0].get("name") == name and f"{name}.{name}" in {e.get("classname") for e in root.iter("testcase")}
    text = Parsed(regress_html(named(name))).text
    assert text.count(name) > 10
