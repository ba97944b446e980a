"""The HTML page of a ``regress`` run: one file that loads nothing from elsewhere."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from ttsctl.core.verdict import Verdict
from ttsctl.regress.gate_rows import asks, gate_rows, shown
from ttsctl.regress.summary import RegressSummary


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
    return template.render(summary=summary, rows=gate_rows(summary.verdicts), details=_details(summary))


def _details(summary: RegressSummary) -> list[Verdict]:
    """The verdicts that are listed one by one: those that did not pass."""
    return [v for v in summary.verdicts if v.status in ("fail", "error", "not_comparable")]
