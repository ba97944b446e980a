"""The import rule: who may import whom, held over the source of every file, whichever line the import stands on."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ttsctl

PACKAGE = Path(ttsctl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# contract < model < engine < cli, and contract < codes, audio < gate < lab < report < cli.
MAY_IMPORT = {
    "contract": set(),
    "model": {"contract"},
    "engine": {"contract", "model"},
    "codes": {"contract"},
    "audio": {"contract"},
    "gate": {"contract", "codes", "audio"},
    "lab": {"contract", "codes", "audio", "gate"},
    "report": {"contract", "codes", "audio", "gate", "lab"},
    "cli": {"contract", "model", "engine", "codes", "audio", "gate", "lab", "report"},
}
WITHOUT_TORCH = {"contract", "codes", "audio", "gate", "lab", "report"}
# tomli is the standard library's tomllib before Python 3.11.
CONTRACT_LIBRARIES = {"numpy", "annotated_types", "tomli", *sys.stdlib_module_names}


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all that a file imports, also inside functions and for type checking; relative ones as '.'."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "."
        elif isinstance(node, ast.ImportFrom) and node.module == "ttsctl":
            yield from (f"ttsctl.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def violations(layer: str, source: str) -> list[str]:
    """What a file of ``layer`` imports against the rule."""
    found = []
    for name in imported(ast.parse(source)):
        top, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if name == ".":
            found.append("a relative import, which hides the layer")
        elif top == "ttsctl" and other not in {layer, "__version__", *MAY_IMPORT[layer]}:
            found.append(f"ttsctl.{other}")
        elif (top == "torch" and layer in WITHOUT_TORCH) or (
            layer == "contract" and top != "ttsctl" and top not in CONTRACT_LIBRARIES
        ):
            found.append(top)
    return found


def reads_environment(source: str) -> bool:
    """Whether a file names ``environ`` or ``getenv`` of any module."""
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in names:
            return True
        if isinstance(node, ast.ImportFrom) and any(alias.name in names for alias in node.names):
            return True
    return False


def test_every_package_stands_in_the_rule() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_keeps_the_rule(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    parts = path.relative_to(PACKAGE).parts
    if len(parts) > 1:
        assert violations(parts[0], source) == []
    assert not reads_environment(source), "behaviour comes from the configuration alone"


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("contract", "import scipy"),
        ("contract", "from ttsctl.codes import diff"),
        ("codes", "from ttsctl.audio.wav import read_audio"),
        ("gate", "def f():\n    import torch.nn"),
        ("gate", "from ttsctl import report"),
        ("report", "if TYPE_CHECKING:\n    from ttsctl.engine.local import LocalEngine"),
        ("model", "import ttsctl.engine.local"),
        ("audio", "from ..model import layers"),
    ],
)
def test_a_breach_is_found(layer: str, source: str) -> None:
    assert violations(layer, source)


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['X']", "from os import getenv", "import os\nx = os.getenv('X')"]
)
def test_a_look_at_the_environment_is_found(source: str) -> None:
    assert reads_environment(source)
    assert not reads_environment("import os\nos.cpu_count()")
