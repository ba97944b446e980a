"""What CI servers and browsers read of a ``regress`` run: JUnit XML, and a page that loads nothing from elsewhere."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined

from ttsctl.core.outcome import ExitStatus
from ttsctl.core.printable import printable
from ttsctl.core.verdict import Verdict
from ttsctl.regress.gate_rows import asks, gate_rows, shown
from ttsctl.regress.summary import RegressSummary

# Characters that XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {"fail": "failure", "error": "error", "not_comparable": "skipped", "skipped": "skipped"}


def junit_xml(summary: RegressSummary) -> str:
    """The document. A verdict "fail" is a failure, "error" an error, "not_comparable" and "skipped" are skipped.

    A run that could not be judged gets one error, so that no server shows it as green. A case of the baseline that did
    not run is skipped.
    """
    suite = ElementTree.Element("testsuite", name=_clean(summary.suite.name), timestamp=summary.created_utc)
    times = {case.id: case.wall_s for case in summary.cases}
    for verdict in summary.verdicts:
        _test_case(suite, summary.suite.name, verdict, times.get(verdict.where))
    for case_id in summary.baseline.cases_not_run:
        _not_run(suite, summary, case_id)
    if not summary.cases or (summary.exit_status == ExitStatus.NOT_JUDGED and not summary.counts["error"]):
        _not_judged(suite, summary)
    total = sum(wall for wall in times.values() if wall is not None)
    counts = {
        "tests": str(len(suite)),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": str(len(suite.findall("testcase/error"))),
        "skipped": str(len(suite.findall("testcase/skipped"))),
        "time": f"{total:.3f}",
    }
    suite.attrib.update(counts)
    root = ElementTree.Element("testsuites", counts)
    root.append(suite)
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _test_case(suite: ElementTree.Element, name: str, verdict: Verdict, wall_s: float | None) -> None:
    classname = f"{name}.{verdict.where or 'all'}"
    case = ElementTree.SubElement(suite, "testcase", name=_clean(verdict.gate), classname=_clean(classname))
    if wall_s is not None:
        case.set("time", f"{wall_s:.3f}")
    tag = _TAGS.get(verdict.status)
    if tag is None:
        return
    found = ElementTree.SubElement(case, tag, message=_clean(_message(verdict)))
    if tag != "skipped":
        found.set("type", verdict.status)


def _not_run(suite: ElementTree.Element, summary: RegressSummary, case_id: str) -> None:
    name = _clean(f"{summary.suite.name}.{case_id}")
    case = ElementTree.SubElement(suite, "testcase", name="baseline", classname=name)
    ElementTree.SubElement(case, "skipped", message="a case of the baseline that did not run")


def _not_judged(suite: ElementTree.Element, summary: RegressSummary) -> None:
    case = ElementTree.SubElement(suite, "testcase", name="judged", classname=f"{_clean(summary.suite.name)}.all")
    ElementTree.SubElement(case, "error", message=_clean(summary.headline), type="error")


def _message(verdict: Verdict) -> str:
    asked = f"expected {asks(verdict)}, got {shown(verdict.value)}"
    if verdict.status in ("not_comparable", "skipped"):
        return f"{verdict.status.replace('_', ' ')}: {verdict.reason}"
    return f"{asked}: {verdict.reason}" if verdict.reason else asked


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", printable(text))


def regress_html(summary: RegressSummary) -> str:
    """The page. All text is escaped, because texts and messages come from outside."""
    environment = Environment(
        loader=PackageLoader("ttsctl.regress"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["asks"] = asks
    template = environment.get_template("regress.html.j2")
    return printable(template.render(summary=summary, rows=gate_rows(summary.verdicts), details=_details(summary)))


def _details(summary: RegressSummary) -> list[Verdict]:
    """The verdicts that are listed one by one: those that did not pass."""
    return [v for v in summary.verdicts if v.status in ("fail", "error", "not_comparable")]
