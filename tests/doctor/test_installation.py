"""Packages, extras, Python and locale: what is right passes, and each thing that is wrong is named."""

from __future__ import annotations

import io
import sys

import pytest
from packaging.requirements import Requirement

from ttsctl.doctor.installation import check_extra, check_installation, check_locale, check_packages, check_python


def test_this_installation_can_do_the_work() -> None:
    assert {check.name: check.status for check in check_installation()}.get("packages") == "ok"


@pytest.mark.parametrize(
    ("line", "says"), [("no-such-package>=1", "no-such-package is missing"), ("numpy<0.1", "needs <0.1")]
)
def test_a_package_that_is_missing_or_of_another_version_is_a_failure(line: str, says: str) -> None:
    check = check_packages([Requirement("pytest"), Requirement(line)])
    assert check.status == "failure" and says in check.found and "pytest" not in check.found and check.advice


def test_what_only_an_extra_or_another_system_needs_is_not_required() -> None:
    others = ['no-such-package; extra == "dask"', 'no-such-package; python_version < "3"']
    assert check_packages([Requirement(line) for line in others]).status == "ok"


def test_an_extra_may_be_absent_but_not_of_a_wrong_version() -> None:
    absent, wrong = Requirement('no-such-package; extra == "x"'), Requirement('numpy<0.1; extra == "x"')
    present = Requirement('numpy; extra == "x"')
    assert check_extra("x", [present]).found == "installed"
    assert check_extra("x", [absent]).status == "ok" and "pip install 'ttsctl[x]'" in check_extra("x", [absent]).found
    assert check_extra("x", [absent, wrong]).status == "warning"
    assert check_extra("y", [absent, wrong]).found == "installed", "the packages of another extra do not count"


def test_python_is_held_against_what_the_package_asks_for() -> None:
    assert check_python("3.12.1", ">=3.10").status == "ok"
    assert check_python("3.9.1", ">=3.10").status == "failure"


def test_a_stream_that_cannot_hold_every_character_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    check = check_locale()
    assert check.status == "warning" and "stdout latin-1" in check.found
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="UTF8"))
    assert "std" not in check_locale().found, "a closed stream has no encoding"
