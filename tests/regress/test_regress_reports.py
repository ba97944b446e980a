"""JUnit, HTML and tables of a summary made by hand: what is escaped, folded and counted."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError
from rich.console import Console

from ttsctl.cli.commands import summary_commands, summary_model
from ttsctl.core.verdict import Verdict
from ttsctl.regress.gate_rows import asks, gate_rows, shown
from ttsctl.regress.pages import junit_xml, regress_html
from ttsctl.regress.runner import CaseError
from ttsctl.regress.summary import BaselineFacts, CaseSummary, MeasuredValue, RegressSummary, SuiteFacts
from ttsctl.regress.tables import render
from ttsctl.report.summary import Summary

NASTY = "<script>alert('x')</script> & [bold]\x00\x1b"


def case(name: str, error: CaseError | None = None) -> CaseSummary:
    value = MeasuredValue(value=1.0, unit="", reason=None)
    names = ("frames", "hash_unique", "mae_waveform", "snr_db", "pop_click_score", "ttfa_ms", "rtf", "stalls")
    return CaseSummary(
        id=name,
        text_id=name,
        text=NASTY,
        text_mode="streaming",
        voice={"id": "v"},
        error=error,
        wall_s=None if error else 1.5,
        metrics={} if error else dict.fromkeys(names, value),
        runs=[],
    )


def summary(verdicts: list[Verdict], cases: list[CaseSummary]) -> RegressSummary:
    return RegressSummary(
        exit_status=1,
        headline=f"FAIL: {NASTY}",
        config={},
        config_sha256=None,
        provenance={"cpu": NASTY},
        definitions=dict.fromkeys(
            ("frames", "hash_unique", "mae_waveform", "snr_db", "pop_click_score", "ttfa_ms", "rtf", "stalls"),
            "what it is",
        ),
        notes=[NASTY],
        suite=SuiteFacts(name="s", path="s.toml", sha256="0", runs=3, warmup=0, timeout_s=1.0),
        cases=cases,
        verdicts=verdicts,
        counts={},
        failed_gates=[],
        aggregates={},
        baseline=BaselineFacts(folder=None, absent="no baseline given"),
        files={},
    )


VERDICTS = [
    Verdict("peak", "pass", "<", 0.99, 0.5, where="a"),
    Verdict("peak", "fail", "<", 0.99, 0.995, where="b", reason=NASTY),
    Verdict("peak", "fail", "<", 0.99, 1.0, where="c"),
    Verdict("snr", "pass", ">=", 15, 40.0, "dB", "a"),
    Verdict("snr", "pass", ">=", 15, 20.0, "dB", "b"),
    Verdict("broken", "error", "==", 0, None, where="d", reason="the case failed"),
    Verdict("times", "not_comparable", "<=", 80, 3.0, "ms", reason="another machine"),
    Verdict("off", "skipped", "<=", 80, None, "ms", reason="off in this suite"),
]


def test_rows_show_the_worst_value_of_a_gate() -> None:
    rows = {row.gate: row for row in gate_rows(VERDICTS)}
    assert (rows["peak"].worst, rows["peak"].where, rows["peak"].count) == ("1", "c", "2 of 3")
    assert (rows["snr"].worst, rows["snr"].where, rows["snr"].asks) == ("20", "b", ">= 15 dB")
    assert [row.status for row in rows.values()] == ["fail", "pass", "error", "not_comparable", "skipped"]


def test_a_gate_without_its_baseline_asks_for_the_baseline() -> None:
    asked = {
        ("ttfa_p50_baseline", 80): "<= baseline + 80",
        ("pop_click_p95_baseline", 1.2): "<= baseline × 1.2",
        ("codes_baseline", None): "<= baseline",
        ("snr_baseline_db", 15): "<= 15",
    }
    for (gate, threshold), words in asked.items():
        assert asks(Verdict(gate, "not_comparable", "<=", threshold, None, reason="x")) == words
    assert asks(Verdict("ttfa_p50_baseline", "pass", "<=", 200.0, 1.0, "ms")) == "<= 200 ms"


def test_shown_values() -> None:
    assert [shown(v) for v in (None, True, 0.123456, 3, "a" * 64)] == ["–", "yes", "0.1235", "3", "a" * 12]


def test_junit_parses_and_counts_agree() -> None:
    """Forbidden characters are replaced, or no XML reader would take the file."""
    root = ElementTree.fromstring(junit_xml(summary(VERDICTS, [case("a"), case("b"), case("c"), case("d")])))
    suite = root.find("testsuite")
    assert suite is not None
    found = {tag: len(suite.findall(f"testcase/{tag}")) for tag in ("failure", "error", "skipped")}
    assert found == {"failure": 2, "error": 1, "skipped": 2}
    for element in (root, suite):
        assert [element.get(k) for k in ("tests", "failures", "errors", "skipped")] == ["8", "2", "1", "2"]
    message = suite.findall("testcase/failure")[0].get("message")
    assert message is not None
    assert message.startswith("expected < 0.99, got 0.995: <script>")
    assert suite.findall("testcase")[0].get("classname") == "s.a"
    assert suite.get("time") == "6.000"


def test_junit_of_no_case_is_not_green() -> None:
    root = ElementTree.fromstring(junit_xml(summary([], [])))
    assert (root.get("tests"), root.get("errors")) == ("1", "1")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_html_escapes_and_loads_nothing() -> None:
    page = regress_html(summary(VERDICTS, [case("a"), case("b", CaseError("Boom", NASTY))]))
    tags = _Tags()
    tags.feed(page)
    assert "script" not in {tag for tag, _ in tags.seen}
    assert "&lt;script&gt;" in page
    assert not [attributes for _, attributes in tags.seen if {"src", "href"} & set(attributes)]
    assert page.count("Boom") == 1


def test_html_of_no_case() -> None:
    assert "No case ran." in regress_html(summary([], []))


def test_console_shows_markup_as_text() -> None:
    stream = io.StringIO()
    render(summary(VERDICTS, [case("a"), case("b", CaseError("Boom", NASTY))]), Console(file=stream, width=200))
    text = stream.getvalue()
    assert "[bold]" in text
    assert "not comparable" in text
    assert "baseline: none, no baseline given" in text


def test_registry_names_summary_models() -> None:
    for name in summary_commands():
        assert issubclass(summary_model(name), Summary)
        assert summary_model(name).model_fields["command"].default == name


def test_a_summary_refuses_nan_and_unknown_keys() -> None:
    good = summary([], []).model_dump()
    RegressSummary.model_validate(good)
    with pytest.raises(ValidationError):
        RegressSummary.model_validate({**good, "surprise": 1})
    with pytest.raises(ValidationError):
        MeasuredValue(value=float("nan"), unit="", reason=None)
