"""Small files that would fill the memory, overflow the stack or never end: refused by what they claim."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dumps.forged_files import MIB, forged_zip, npy, npy_header, peak_mib, stored_zip, zeros_deflated
from tests.dumps.test_read import forged_tensor, zip_with
from ttsctl.core.errors import InputError
from ttsctl.core.trace import Trace, no_draws, no_prints
from ttsctl.dumps.archive import MAX_DIRECTORY_BYTES, read_member
from ttsctl.dumps.code_shape import MAX_IDS, to_codes
from ttsctl.dumps.plain_pickle import Refused, read_pickle
from ttsctl.dumps.read import read_codes
from ttsctl.dumps.trace_file import MAX_TRACE_BYTES, read_trace, save_trace

DEFLATED, BZIP2, LZMA = zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA


def refused(path: Path, content: bytes, says: str, read: Any = read_codes, at_most_mib: float = 16) -> None:
    """One InputError that says this, and no more memory than that beside the file's own bytes."""
    path.write_bytes(content)

    def work() -> None:
        with pytest.raises(InputError, match=says):
            read(path)

    assert peak_mib(work) < at_most_mib


@pytest.mark.parametrize(
    ("content", "says"),
    [
        # 2 GiB that it owns up to, 2 GiB that it does not, and 2 GiB that it lacks
        (forged_zip(("codes.npy", zeros_deflated(2048), 2**31, DEFLATED)), "expected at most .* got 2,147,483,648"),
        (forged_zip(("codes.npy", zeros_deflated(2048), 3000, DEFLATED)), "Bad CRC|not a file of numpy"),
        (forged_zip(("codes.npy", npy_header("(1000000, 16)"), 128_000_080, 0)), "Bad CRC|expected 128,000,080 bytes"),
        (forged_zip(("codes.npy", b"x" * 99, 99, BZIP2)), "expected a stored or deflated member"),
        (forged_zip(("codes.npy", b"x" * 99, 99, LZMA)), "expected a stored or deflated member"),
        (stored_zip(**{"codes.npy": npy_header("(1000000, 16)")}), r"claims 16,000,000 × 8 bytes, it has 0"),
        (stored_zip(**{"codes.npy": npy_header("(10000000000, 16)")}), "expected at most 134,217,728 bytes"),
        (
            stored_zip(**{f"{n}.npy": b"" for n in range(20_000)}),
            f"a directory of at most {MAX_DIRECTORY_BYTES:,} bytes",
        ),
    ],
)
def test_npz_that_claims_too_much(tmp_path: Path, content: bytes, says: str) -> None:
    refused(tmp_path / "x.npz", content, says)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (npy_header("(10000000000, 16)"), "expected at most 134,217,728 bytes, its header claims 160,000,000,000 × 8"),
        (npy_header("(1000000, 16)"), "claims 16,000,000 × 8 bytes, it has 0"),
        (npy_header("(10000000000000, 16)", "'<U0'"), "expected at most"),  # no bytes, but as many items
        (npy_header("(-4, -16)"), "axes of lengths -4, -16"),
        (npy_header("(" + "1, " * 60 + ")"), "60 axes"),
        (npy_header("(4, 16)", "'|O'"), "one of Python objects"),
        (npy_header("(4, 16)", "'<V2000000000'"), "expected at most"),
        (npy_header("(" * 4000 + ")" * 4000), "no readable numpy array"),
        (npy_header("(4, 16)", "-" * 9000 + "1"), "no readable numpy array"),
        (npy_header("(" + "9" * 6000 + ",)"), "no readable numpy array"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "its header has more than 10,000 bytes"),
        (b"\x93NUMPY\x03\x00\x01\x00\x00\x00{", "not a file of numpy"),
        (npy(np.zeros((4, 16), np.int64)) + b"more", "claims 64 × 8 bytes, it has 516"),
    ],
)
def test_npy_that_claims_too_much(tmp_path: Path, header: bytes, says: str) -> None:
    refused(tmp_path / "x.npy", header, says)


def test_as_many_ids_as_are_read() -> None:
    """Small dtypes grow eightfold; a view of a single value costs nothing here."""
    most = np.broadcast_to(np.uint8(1), (MAX_IDS // 16 + 1, 16))
    with pytest.raises(InputError, match=r"expected at most 16,777,216 ids, got 16,777,232"):
        to_codes(most, "x")
    assert to_codes(most[:100], "x").shape == (100, 16)


@pytest.mark.parametrize("length", [2**62, 50_000_000])
def test_a_safetensors_header_of_any_length(tmp_path: Path, length: int) -> None:
    refused(tmp_path / "x.safetensors", length.to_bytes(8, "little") + b"{}", "header of at most 1,048,576 bytes")


def test_a_code_file_larger_than_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="expected at most 268,435,456 bytes"):
        read_codes(path)


# Traces


def test_a_trace_that_becomes_huge(tmp_path: Path) -> None:
    huge = MAX_TRACE_BYTES // MIB + 1
    for claimed, says in ((huge * MIB, f"in all, got {huge * MIB:,}"), (3000, "no readable trace")):
        content = forged_zip(("draws_id.npy", zeros_deflated(huge), claimed, DEFLATED))
        refused(tmp_path / "trace_x.npz", content, says, read_trace)


@pytest.mark.parametrize("name", ["level", "version", "stages", "codegen_points"])
def test_a_trace_whose_names_become_huge(tmp_path: Path, name: str) -> None:
    content = forged_zip((f"{name}.npy", zeros_deflated(16), 16 * MIB, DEFLATED))
    refused(tmp_path / "trace_x.npz", content, "expected at most", read_trace)


def test_a_trace_of_many_pieces_is_added_up(tmp_path: Path) -> None:
    half = MAX_TRACE_BYTES // MIB // 2 + 1
    members = [(f"draws_{name}.npy", zeros_deflated(half), half * MIB, DEFLATED) for name in ("id", "frame")]
    refused(tmp_path / "trace_x.npz", forged_zip(*members), "in all, got", read_trace)


def test_arrays_that_no_trace_has_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "trace_x.npz"
    save_trace(path, Trace("codes", no_draws(), no_prints(), no_prints()))
    with zipfile.ZipFile(path, "a", DEFLATED) as archive:
        archive.writestr("more.npy", b"not an array")
    assert read_trace(path).level == "codes"


# Pickles


def nested_key(levels: int) -> bytes:
    """A dict with a tuple in a tuple … as its key: hashing that recurses in C."""
    return b"\x80\x02}N" + b"\x85" * levels + b"Ns."


def shared_key(levels: int) -> bytes:
    """Each tuple has the one before 30 times, so that hashing it takes 30 ** levels steps."""
    level = b"q\x000(" + b"h\x00" * 30 + b"t"
    return b"\x80\x02}N" + level * levels + b"Ns."


@pytest.mark.parametrize(
    ("pickled", "says"),
    [
        (nested_key(100_000), "texts and whole numbers as keys of a dict, got a tuple"),
        (shared_key(11), "texts and whole numbers as keys of a dict, got a tuple"),
        (b"\x80\x02ccollections\nOrderedDict\n(]N" + b"\x85" * 100_000 + b"N\x86atR.", "damaged"),
        (b"\x80\x02(X\x07\x00\x00\x00storagectorch\nLongStorage\nN" + b"\x85" * 100_000 + b"NNtQ.", "unknown kind"),
        (b"\x80\x02N" + b"\x85" * 100_000 + b".", "got 0: none"),
        (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "got 0: none"),
        (b"\x80\x02]" + b"q\x00h\x00a" * 10_000 + b".", "got 0: none"),
        (b"\x80\x02}(K\x01K\x02K\x03u.", "damaged"),
        (b"\x80\x02(a.", "takes a mark for a value"),
        (b"\x80\x02Na.", "damaged"),
        (b"\x80\x02NNa.", "appends to what is no list"),
        (b"\x80\x02N)R.", "calls what is no function"),
        (b"\x80\x02h\x07.", "damaged"),
        (b"\x80\x02KK", "damaged"),
    ],
)
def test_pickles_that_no_tensor_needs(tmp_path: Path, pickled: bytes, says: str) -> None:
    zip_with(tmp_path / "x.pt", pickled)
    with pytest.raises(InputError, match=says):
        read_codes(tmp_path / "x.pt")


def test_a_size_of_shared_tuples_is_not_shown(tmp_path: Path) -> None:
    """Showing it takes 30 ** 11 characters."""
    good, extra = forged_tensor(0, (2, 16), (16, 1))
    size = pickle.dumps((2, 16), protocol=2)[2:-1]
    for hostile in (b"N" + shared_key(11)[4:-3], b"(" + shared_key(11)[3:-3] + b"t"):
        assert size in good
        zip_with(tmp_path / "x.pt", good.replace(size, hostile), extra)
        with pytest.raises(InputError, match="size"):
            read_codes(tmp_path / "x.pt")


def test_keys_that_are_numbers(tmp_path: Path) -> None:
    import torch

    torch.save({0: torch.arange(32).reshape(2, 16), "note": "x"}, tmp_path / "x.pt")
    assert read_codes(tmp_path / "x.pt").shape == (2, 16)


def test_a_description_of_a_mebibyte_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    zip_with(path, b"\x80\x02" + b"]" * 2**20 + b".")
    refused(path, path.read_bytes(), "expected at most 1,048,576 bytes once it is uncompressed")


def test_tensors_that_share_a_storage_are_counted_each(tmp_path: Path) -> None:
    """Each is small on disk, whatever it claims: one of 2^23 ids is read, three are too many."""
    big, extra = forged_tensor(0, (2**19, 16), (0, 1))
    for count, says in ((3, "expected at most 16,777,216 ids in all"), (2, "expected one array")):
        zip_with(tmp_path / "x.pt", b"\x80\x02(" + big[2:-1] * count + b"t.", extra)
        with pytest.raises(InputError, match=says):
            read_codes(tmp_path / "x.pt")


VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False) | st.text()
CONTAINERS = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(-9, 2**40), inner)
    ),
)


@settings(max_examples=40)
@given(value=CONTAINERS, protocol=st.integers(2, 5))
def test_a_plain_pickle_is_read_as_python_reads_it(value: Any, protocol: int) -> None:
    def no_name(*_: object) -> None:
        raise AssertionError

    twice = [value, value]  # the second is a reference to the first
    assert read_pickle(pickle.dumps(twice, protocol), no_name, no_name) == twice


def test_opcodes_that_are_left_out_are_refused() -> None:
    def no_name(*_: object) -> None:
        raise AssertionError

    for value in ({1, 2}, frozenset({1}), bytearray(b"x"), b"x", 2**5000, {(1, 2): 3}, {None: 1}, {1.5: 2}, {True: 1}):
        with pytest.raises((Refused, AssertionError)):
            read_pickle(pickle.dumps(value, 4), no_name, no_name)


def test_a_member_is_read_as_zipfile_reads_it() -> None:
    """The control: what is honest comes out whole, over several chunks."""
    content = np.random.default_rng(0).bytes(3 * MIB + 17)
    for method in (zipfile.ZIP_STORED, DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("x", content)
        with zipfile.ZipFile(buffer) as archive:
            assert read_member(archive, archive.getinfo("x"), 4 * MIB) == content
            with pytest.raises(zipfile.BadZipFile, match="expected at most"):
                read_member(archive, archive.getinfo("x"), 3 * MIB)
