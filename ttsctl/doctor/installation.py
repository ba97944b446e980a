"""Python, the packages that ttsctl requires, its optional extras, and the locale."""

from __future__ import annotations

import importlib.metadata
import locale
import platform
import sys
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ttsctl.doctor.check import Check, failure, ok, warning

PACKAGE = "ttsctl"
MISSING = "is missing"


def check_installation() -> list[Check]:
    """All of this file, in the order of the table."""
    try:
        metadata = importlib.metadata.metadata(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return [failure("packages", "ttsctl is not installed here", "pip install ttsctl"), check_locale()]
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist") or ()]
    extras = metadata.get_all("Provides-Extra") or ()
    return [
        check_python(platform.python_version(), (metadata.get_all("Requires-Python") or [""])[0]),
        check_packages(requirements),
        *(check_extra(extra, requirements) for extra in extras),
        check_locale(),
    ]


def check_python(version: str, required: str) -> Check:
    """The interpreter against ``Requires-Python``."""
    found = f"{platform.python_implementation()} {version}, {sys.executable}"
    if not SpecifierSet(required).contains(Version(version), prereleases=True):
        return failure("python", found, f"ttsctl needs Python {required}")
    return ok("python", found)


def check_packages(requirements: Iterable[Requirement]) -> Check:
    """Every package that ttsctl cannot do without, in the version that it asks for."""
    needed = [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    problems = list(_problems(needed))
    if problems:
        return failure("packages", "; ".join(problems), "pip install -U ttsctl, in this environment")
    return ok("packages", f"all {len(needed)} that are required")


def check_extra(extra: str, requirements: Iterable[Requirement]) -> Check:
    """An optional extra: that it is absent, or there in part, is fine; a package of a wrong version is not."""
    named = [r for r in requirements if r.marker is not None and r.marker.evaluate({"extra": extra})]
    problems = list(_problems([r for r in named if r.marker and not r.marker.evaluate({"extra": ""})]))
    name, install = f"extra {extra}", f"pip install 'ttsctl[{extra}]'"
    wrong = [problem for problem in problems if not problem.endswith(MISSING)]
    if wrong:
        return warning(name, "; ".join(wrong), install)
    return ok(name, f"{'; '.join(problems)}: {install} adds it" if problems else "installed")


def _problems(requirements: Iterable[Requirement]) -> Iterator[str]:
    for requirement in requirements:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{requirement.name} {MISSING}"
            continue
        if not requirement.specifier.contains(Version(version), prereleases=True):
            yield f"{requirement.name} {version}, needs {requirement.specifier}"


def check_locale() -> Check:
    """Names and tables hold characters that ASCII has not."""
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    encodings = {name: getattr(stream, "encoding", None) for name, stream in streams.items()}
    encodings |= {"files": locale.getpreferredencoding(False), "names": sys.getfilesystemencoding()}
    poor = {name: code for name, code in encodings.items() if code is not None and not is_utf8(code)}
    if poor:
        found = ", ".join(f"{name} {code}" for name, code in poor.items())
        return warning("locale", found, "set a UTF-8 locale, such as LC_ALL=C.UTF-8, or start Python with -X utf8")
    return ok("locale", "UTF-8")


def is_utf8(encoding: str) -> bool:
    """Whether a codec's name means UTF-8."""
    return encoding.lower().replace("_", "-") in {"utf-8", "utf8"}
