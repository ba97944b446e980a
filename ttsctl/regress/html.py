"""The HTML page of a ``regress`` run: one file, nothing to load from elsewhere."""

from __future__ import annotations

from ttsctl.regress.gate_rows import asks, gate_rows, shown
from ttsctl.regress.summary import RegressSummary


def regress_html(summary: RegressSummary) -> str:
    """The page. All text is escaped, for texts and messages come from outside."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

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


def _details(summary: RegressSummary) -> list[object]:
    """Verdicts worth reading one by one."""
    return [v for v in summary.verdicts if v.status in ("fail", "error", "not_comparable")]
