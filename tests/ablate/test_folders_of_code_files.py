"""``decode-ablate`` over a folder of code files that have no metas: decoded as they are, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEngine, codes_of
from ttsctl.ablate.run import Ablation, ablate_codes
from ttsctl.core.codes import codes_sha256
from ttsctl.core.errors import InputError


@pytest.fixture(autouse=True)
def _fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttsctl.ablate.run.load_engine", lambda config: FakeEngine(config=config))


def ablated(path: Path) -> Ablation:
    return ablate_codes(path, [], [], ["A_oneshot", "D_cached"])


def save(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_files_of_any_name_with_equal_codes_are_one_set(tmp_path: Path) -> None:
    codes = codes_of("x", 8)
    found = ablated(save(tmp_path / "bare", monday=codes, tuesday=codes.astype(np.int32)))
    assert (found.codes_sha256, found.frames) == (codes_sha256(codes), 8)
    assert any(note.startswith("2 dumps have the same codes: ") for note in found.notes)
    # As the file alone.
    assert ablated(tmp_path / "bare" / "monday.npy").codes_sha256 == found.codes_sha256


def test_one_file_of_any_name_is_decoded(tmp_path: Path) -> None:
    assert ablated(save(tmp_path / "one", anything=codes_of("x", 8))).notes == ()


def test_different_codes_are_refused_by_name(tmp_path: Path) -> None:
    folder = save(tmp_path / "two", a=codes_of("a", 8), b=codes_of("b", 8))
    with pytest.raises(InputError, match=r"two: expected one set of codes, got 2 .*: a, b; name one code file"):
        ablated(folder)


def test_an_array_that_holds_no_codes_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "mixed", a=codes_of("a", 8), wave=np.zeros(2000, np.float32))
    with pytest.raises(InputError, match=r"wave\.npy"):
        ablated(folder)


def test_a_folder_without_code_files_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dump in it \(expected .* or files of codes"):
        ablated(save(tmp_path / "empty"))
