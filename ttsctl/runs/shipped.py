"""The files that come with ttsctl: suites and experiments by name, and texts and voices for a folder without its own.

In a checkout, also one that is installed as editable, these files lie beside the package. A wheel has them inside it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ttsctl.core.errors import InputError, nearest
from ttsctl.core.files import is_file, is_folder

PACKAGE = Path(__file__).parents[1]
TEXTS = Path("manifests/texts_base.json")
VOICES = Path("manifests/voices_base.json")


def shipped_root() -> Path:
    """The folder in which ``suites/`` and ``manifests/`` lie."""
    return PACKAGE if (PACKAGE / "suites").is_dir() else PACKAGE.parent


def find_suite(argument: str) -> Path:
    """The file of a suite that is given by path, or by the name of a shipped one, such as ``base``.

    InputError for a name that is neither, with the nearest known one.
    """
    return _by_path_or_name(argument, "suite", shipped_root() / "suites")


def find_experiment(argument: str) -> Path:
    """The file of an experiment that is given by path, or by the name of a shipped one; errors as ``find_suite``."""
    return _by_path_or_name(argument, "experiment", shipped_root() / "suites" / "experiments")


def texts_file(given: Path | None) -> Path:
    """The given file of texts; else ``manifests/texts_base.json`` of the working folder, else the shipped one."""
    return given or _here_or_shipped(TEXTS)


def voices_file(given: Path | None) -> Path:
    """The given file of voices; else ``manifests/voices_base.json`` of the working folder, else the shipped one."""
    return given or _here_or_shipped(VOICES)


def _here_or_shipped(relative: Path) -> Path:
    return relative if relative.exists() else shipped_root() / relative


def _by_path_or_name(argument: str, kind: str, folder: Path) -> Path:
    """A path has a separator or ends in ``.toml``, or it is there. Only a shipped name comes before a folder."""
    path = Path(argument)
    if "/" in argument or os.sep in argument or path.suffix == ".toml" or is_file(path):
        return path
    shipped = {file.stem: file for file in sorted(folder.glob("*.toml"))}
    if argument in shipped:
        return shipped[argument]
    if is_folder(path):
        return path
    raise InputError(f"no file and no shipped {kind} has the name {argument!r}", _known(argument, list(shipped)))


def _known(argument: str, names: list[str]) -> str:
    """The nearest name and all names; all of them alone where none is near."""
    hint, everything = nearest(argument, names), "known: " + ", ".join(names)
    return f"{hint} {everything}" if hint.startswith("did you mean") else hint
