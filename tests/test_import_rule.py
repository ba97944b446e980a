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
# core < dumps, audio, engine, adapters < runs < report < the questions < cli.
BELOW = ("dumps", "audio", "engine", "adapters")
QUESTIONS = ("regress", "explain", "sweep", "bisect", "ablate", "probe", "doctor")
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    **{name: {"core"} for name in BELOW},
    "runs": {"core", *BELOW},
    "report": {"core", *BELOW, "runs"},
    **{name: {"core", *BELOW, "runs", "report"} for name in QUESTIONS},
    "cli": {"core", *BELOW, "runs", "report", *QUESTIONS},
}
WITHOUT_TORCH = set(MAY_IMPORT) - {"engine", "adapters"}
# tomli is the standard library's tomllib before Python 3.11.
CORE_LIBRARIES = {"numpy", "annotated_types", "tomli", *sys.stdlib_module_names}


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
            layer == "core" and top != "ttsctl" and top not in CORE_LIBRARIES
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
        ("core", "import scipy"),
        ("core", "from ttsctl.dumps import diff"),
        ("dumps", "from ttsctl.audio.wav import read_audio"),
        ("regress", "def f():\n    import torch.nn"),
        ("runs", "from ttsctl import report"),
        ("report", "if TYPE_CHECKING:\n    from ttsctl.sweep.rows import ConditionRow"),
        ("bisect", "import ttsctl.sweep.run"),
        ("explain", "from ttsctl.cli.options import OutOption"),
        ("audio", "from ..engine.model import layers"),
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


def modules() -> dict[str, set[str]]:
    """Every module with the modules of ttsctl that it imports, also inside functions and for type checking."""
    names = {".".join(("ttsctl", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in FILES}
    return {
        name: {m for m in imported_modules(ast.parse(path.read_text("utf-8"))) if m in names}
        for name, path in names.items()
    }


def imported_modules(tree: ast.Module) -> Iterator[str]:
    """All that a file imports, wherever the line stands: modules and what may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; none if there is no circle."""
    left = {name: set(others) for name, others in imports.items()}
    while leaves := [name for name, others in left.items() if not others]:
        left = {name: others - set(leaves) for name, others in left.items() if name not in leaves}
    return sorted(left)


def test_no_module_imports_itself_over_others() -> None:
    assert circle(modules()) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}) == ["a", "b", "c"]
