"""A disk without room: status 3, what is wrong and the final path, and nothing left that is half written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.cli_helpers import Done
from tests.fakes import FakeEngine
from tests.pins.pinned import FEW
from tests.regress.regress_fakes import write_suite
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.files import write_text
from ttsctl.core.write_errors import why_full, write_error
from ttsctl.regress.publish import publish_baseline
from ttsctl.runs import engines

resource = pytest.importorskip("resource")
SPOKEN = ("--text", "Hi.", *FEW)


@contextlib.contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """As ``ulimit -f``: what a write adds beyond ``size`` bytes fails with EFBIG, for Python ignores SIGXFSZ."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def told(done: Done, name: str) -> None:
    """The line names the file in the folder that the run would have got, and no hidden one."""
    command = r"(synth|dump-codes|pop-align|regress)"
    assert re.search(rf"cannot write {re.escape(str(done.out))}/{command}/\d{{8}}_\d{{6}}/{name}: ", done.stderr)


def test_a_wav_on_a_full_disk(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scipy.io.wavfile.write", full)
    done = cli("synth", "Hi.", *FEW)
    done.refused("the disk is full; make room, or choose another disk with --out", status=3)
    told(done, "stream.wav")


@pytest.mark.parametrize(
    ("line", "size", "name"),
    [
        (("synth", "Hi.", *FEW), 10_000, "stream.wav"),
        (("dump-codes", *SPOKEN), 0, r"(codes|meta)_text01_run1\.(npy|json)"),
        # The array of 6 frames has 896 bytes, the meta about twice as many.
        (("dump-codes", *SPOKEN), 500, r"(codes|meta)_text01_run1\.(npy|json)"),
    ],
)
def test_a_limit_on_sizes(cli: Callable[..., Done], line: tuple[str, ...], size: int, name: str) -> None:
    with no_file_over(size):
        done = cli(*line)
    done.refused("limit", status=3)
    told(done, name)
    assert cli(*line).status == 0, "the same command goes well where there is room"


def test_pictures_and_reports(cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(24_000) / 20), 24_000)
    with no_file_over(2_000):
        done = cli("pop-align", tmp_path / "a.wav")
    done.refused("limit", status=3)
    told(done, r"\w+\.png")
    monkeypatch.setattr(engines, "load_engine", lambda config: FakeEngine(config=config))
    suite = write_suite(tmp_path / "suite", "runs = 0", texts=("one",))
    # Over the wavs, under the page.
    monkeypatch.setattr("ttsctl.regress.command.regress_html", lambda summary: "x" * 400_000)
    with no_file_over(300_000):
        done = cli("regress", suite)
    done.refused("limit", status=3)
    told(done, "report.html")


def test_a_baseline_is_copied_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run" / "wav").mkdir(parents=True)
    (tmp_path / "run" / "baseline.json").write_text("{}")
    (tmp_path / "run" / "wav" / "a_stream.wav").write_bytes(b"x" * 9000)
    golden = tmp_path / "golden"
    with no_file_over(4096), pytest.raises(CannotJudge, match=rf"baseline {golden}: the limit on the size of a file"):
        publish_baseline(tmp_path / "run", golden)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    publish_baseline(tmp_path / "run", golden)
    assert sorted(path.name for path in golden.rglob("*")) == ["a_stream.wav", "baseline.json", "wav"]


def test_which_errors_mean_a_full_disk(tmp_path: Path) -> None:
    wrong = InputError("cannot write x: y", "z")
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        error = OSError(number, os.strerror(number))
        assert isinstance(write_error("x", error, wrong), CannotJudge)
    assert why_full(OSError("1000 requested and 17 written")) == "the disk is full, or a limit is reached"
    for error in (OSError(errno.EACCES, "no"), OSError("something else")):
        assert why_full(error) is None and write_error("x", error, wrong) is wrong
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "taken" / "below", "x")


def test_an_error_that_no_writer_caught_is_3(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttsctl.report.synth.summarise", full)
    done = cli("synth", "Hi.", *FEW)
    done.refused("the disk is full; make room", status=3)
