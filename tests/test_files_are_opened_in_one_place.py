"""Whatever a user names is opened by ``core.files.open_regular``: else a FIFO hangs, a large file fills the memory."""

from __future__ import annotations

import ast
from pathlib import Path

import ttsctl

PACKAGE = Path(ttsctl.__file__).parent
READS = frozenset(
    {"open", "read_text", "read_bytes", "fromfile", "memmap", "load", "loadtxt", "genfromtxt", "safe_open", "load_file"}
    | {"ZipFile", "SoundFile", "from_file", "unpickle"}
)
# Functions of these names that read no file that a user names. ``load``: of modules, and of results in a store.
MODULES_OF_LOAD = frozenset({"np", "numpy", "torch", "json", "tomllib", "pickle"})
# File -> why it may read by itself.
ALLOWED = {
    "core/files.py": "the one place",
    "cli/streams.py": "the null device, in place of a closed stream",
    "core/machine.py": "files of the system, and of installed packages",
    "dumps/archive.py": "what is inside of a file that is open",
    "dumps/read.py": "safe_open, after open_regular and the length of the header",
    "engine/model/checkpoint.py": "safe_open, after open_regular and the length of the header",
    "engine/model/random_references.py": "writes",
    "engine/voice/prompt_file.py": "safe_open, after open_regular and the length of the header",
    "engine/voice/reference.py": "soundfile, after open_regular",
    "engine/model/text.py": "the tokenizer library, after open_regular",
    "engine/model/random_tokenizer.py": "a file of the package",
    "audio/pops/classifier.py": "a file of the package",
    "sweep/key.py": "the files of the package",
    "doctor/load.py": "a file of the system",
    "doctor/torch_process.py": "what its own process wrote",
    "engine/checkup/__main__.py": "writes",
    "runs/run_job.py": "what its own process wrote",
    "runs/job_files.py": "what ttsctl keeps, held by its sha256",
    "runs/claimed_folder.py": "what ttsctl keeps",
    "report/run_folder.py": "appends",
    "explain/live.py": "opens engines",
    "audio/wav.py": "soundfile",
}


def reads(source: str) -> list[str]:
    """The calls that read a file, as ``name:line``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        value = function.value if isinstance(function, ast.Attribute) else None
        owner = value.id if isinstance(value, ast.Name) else ""
        if name not in READS or (name == "load" and owner not in MODULES_OF_LOAD):
            continue
        found.append(f"{owner}.{name}:{node.lineno}")
    return found


def test_no_file_is_opened_elsewhere() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): reads(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")
    }
    elsewhere = {file: calls for file, calls in found.items() if calls and file not in ALLOWED}
    assert not elsewhere, "use core.files.open_regular or read_regular"


def test_the_search_finds_what_it_should() -> None:
    """The control."""
    for line in (
        "open('x')",
        "path.open('rb')",
        "Path('x').read_text()",
        "path.read_bytes()",
        "np.load(path)",
        "torch.load(path)",
        "safe_open(path, framework='np')",
        "zipfile.ZipFile(path)",
        "json.load(file)",
        "np.fromfile(path)",
    ):
        assert reads(line), line
    assert not reads("open_regular(path, '', 1)") and not reads("store.load()")
