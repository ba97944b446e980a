"""Reading codes: every format gives the same array, and whatever is not codes is refused in one clear line."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from ttsctl.core.errors import InputError
from ttsctl.dumps.read import read_codes

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4", ">i8"]
TORCH_INTEGERS = [
    torch.int8,
    torch.uint8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint16,
    torch.uint32,
    torch.uint64,
]


def save(path: Any, array: Any) -> Any:
    """Write an array in the format that the suffix names."""
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez_compressed(path, codes=array)
    elif path.suffix == ".safetensors":
        save_file({"codes": np.ascontiguousarray(array)}, path)
    else:
        torch.save(torch.from_numpy(np.ascontiguousarray(array)), path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".pt"])
@pytest.mark.parametrize("batch", [False, True])
def test_every_format_gives_the_same_codes(tmp_path: Path, codes: Any, suffix: Any, batch: Any) -> None:
    path = save(tmp_path / f"x{suffix}", codes[None] if batch else codes)
    found = read_codes(path)
    assert found.dtype == np.int64 and found.flags.c_contiguous
    assert np.array_equal(found, codes)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_every_integer_dtype_of_numpy(tmp_path: Path, dtype: Any) -> None:
    array = (np.arange(21 * 16).reshape(21, 16) % 100).astype(dtype)
    found = read_codes(save(tmp_path / "x.npy", array))
    assert found.dtype == np.int64 and np.array_equal(found, array)


@pytest.mark.parametrize("dtype", TORCH_INTEGERS)
def test_every_integer_dtype_of_torch(tmp_path: Path, dtype: Any) -> None:
    array = np.arange(21 * 16).reshape(21, 16) % 100
    torch.save(torch.from_numpy(array).to(dtype), tmp_path / "x.pt")
    assert np.array_equal(read_codes(tmp_path / "x.pt"), array)


def test_fortran_order(tmp_path: Path, codes: Any) -> None:
    assert np.array_equal(read_codes(save(tmp_path / "x.npy", np.asfortranarray(codes))), codes)


def test_views_of_a_tensor(tmp_path: Path, codes: Any) -> None:
    tensor = torch.from_numpy(codes)
    views = {
        "transposed": (tensor.T.contiguous().T, codes),
        "sliced": (tensor[3:17, 2:10], codes[3:17, 2:10]),
        "strided": (tensor[::2, ::2], codes[::2, ::2]),
        "expanded": (tensor[:1].expand(5, 16), np.repeat(codes[:1], 5, axis=0)),
    }
    for name, (view, expected) in views.items():
        torch.save(view, tmp_path / f"{name}.pt")
        assert np.array_equal(read_codes(tmp_path / f"{name}.pt"), expected), name


@pytest.mark.parametrize("wrap", [lambda t: {"x": t}, lambda t: [t], lambda t: (t,), lambda t: OrderedDict(a=t, n=3)])
def test_a_container_with_one_tensor(tmp_path: Path, codes: Any, wrap: Any) -> None:
    torch.save(wrap(torch.from_numpy(codes)), tmp_path / "x.pt")
    assert np.array_equal(read_codes(tmp_path / "x.pt"), codes)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
def test_of_several_arrays_the_one_named_codes(tmp_path: Path, codes: Any, suffix: Any) -> None:
    path, bare = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    for target, names in ((path, ("codes", "other")), (bare, ("one", "other"))):
        arrays = {names[0]: codes, names[1]: codes + 1}
        if suffix == ".npz":
            np.savez(target, **arrays)
        elif suffix == ".safetensors":
            save_file(arrays, target)
        else:
            torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, target)
    assert np.array_equal(read_codes(path), codes)
    with pytest.raises(InputError, match=r"expected one array, or one named 'codes', got 2: one, other"):
        read_codes(bare)


# Shape and dtype


@pytest.mark.parametrize(
    "shape", [(4, 16), (1, 16), (16, 16), (3, 8), (40, 8), (40, 9), (4, 32), (16, 8), (100, 64), (5, 1), (100, 5)]
)
def test_shapes_that_are_codes(tmp_path: Path, shape: Any) -> None:
    assert read_codes(save(tmp_path / "x.npy", np.zeros(shape, dtype=np.int64))).shape == shape


@pytest.mark.parametrize("shape", [(16, 40), (16, 17), (16, 10), (16, 32), (8, 40), (9, 100), (32, 500), (16, 2000)])
@pytest.mark.parametrize("batch", [False, True])
def test_transposed_codes_are_named_as_such(tmp_path: Path, shape: Any, batch: Any) -> None:
    array = np.zeros((1, *shape) if batch else shape, dtype=np.int64)
    with pytest.raises(InputError, match=rf"expected \(T, {shape[0]}\), got \({shape[0]}, {shape[1]}\).*transpose"):
        read_codes(save(tmp_path / "x.npy", array))


def test_a_known_number_of_codebooks_decides(tmp_path: Path) -> None:
    square = save(tmp_path / "x.npy", np.zeros((16, 32), dtype=np.int64))
    assert read_codes(square, num_codebooks=32).shape == (16, 32)
    with pytest.raises(InputError, match="looks transposed"):
        read_codes(square, num_codebooks=16)
    with pytest.raises(InputError, match=r"expected \(T, 9\), got \(16, 32\); check"):
        read_codes(square, num_codebooks=9)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 16), dtype=np.float32), "expected an integer array, got float32"),
        (np.zeros((4, 16), dtype=bool), "expected an integer array, got bool"),
        (np.zeros((4, 16), dtype=complex), "expected an integer array"),
        (np.zeros((4, 16), dtype="U3"), "expected an integer array"),
        (np.zeros((4, 16), dtype=[("a", "i4")]), "expected an integer array"),
        (np.array([[None] * 16], dtype=object), "no readable numpy array"),
        (np.zeros(16, dtype=np.int64), r"expected \(T, Q\) or \(1, T, Q\), got \(16,\)"),
        (np.zeros((2, 4, 16), dtype=np.int64), r"got \(2, 4, 16\)"),
        (np.int64(3), r"got \(\)"),
        (np.zeros((0, 16), dtype=np.int64), "at least one frame"),
        (np.zeros((4, 0), dtype=np.int64), "at least one frame"),
        (np.zeros((100, 100), dtype=np.int64), "with Q up to 64"),
        (np.full((4, 16), 2**63, dtype=np.uint64), "9223372036854775808 does not fit int64"),
    ],
)
def test_arrays_that_are_not_codes(tmp_path: Path, array: Any, says: Any) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=says):
        read_codes(tmp_path / "x.npy")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_tensors_that_are_not_integers(tmp_path: Path, dtype: Any) -> None:
    torch.save(torch.zeros(4, 16).to(dtype), tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"integer tensor|torch\.float8_e4m3fn"):
        read_codes(tmp_path / "x.pt")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool])
def test_safetensors_that_are_not_integers(tmp_path: Path, dtype: Any) -> None:
    save_torch_file({"codes": torch.zeros(4, 16).to(dtype)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="expected an integer array"):
        read_codes(tmp_path / "x.safetensors")


# Files that lie


class Touch:
    """A pickle that would create a file."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


class Call:
    """A pickle that calls a builtin."""

    def __reduce__(self) -> Any:
        return (eval, ("__import__('os').getpid()",))


def zip_with(path: Any, pickled: Any, extra: Any = ()) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        for name, data in extra:
            archive.writestr(name, data)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    torch.save({"codes": torch.zeros(4, 16, dtype=torch.int64), "evil": Touch(victim)}, tmp_path / "a.pt")
    zip_with(tmp_path / "b.pt", pickle.dumps(Touch(victim)))
    zip_with(tmp_path / "c.pt", pickle.dumps(Call()))
    for name in "abc":
        with pytest.raises(InputError, match=r"asks for \S+, which is not part of a plain tensor"):
            read_codes(tmp_path / f"{name}.pt")
    assert not victim.exists()
    pickle.loads(pickle.dumps(Touch(victim))).close()
    assert victim.exists(), "the control: the plain unpickler does run it"


@pytest.mark.parametrize(
    "name", ["torch.load", "torch.storage._load_from_bytes", "builtins.getattr", "torch._utils._rebuild_qtensor"]
)
def test_other_names_are_refused(tmp_path: Path, name: Any) -> None:
    module, _, attribute = name.rpartition(".")
    zip_with(tmp_path / "x.pt", f"c{module}\n{attribute}\n.".encode())
    with pytest.raises(InputError, match="not part of a plain tensor"):
        read_codes(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("pickled", "says"),
    [
        (b"\x80\x02}r\xff\xff\xff\x7f.", "expected one array"),  # Python's memo would take 16 GiB
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00abc.", "damaged|BYTEARRAY8"),
        (b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aK\x01sb.", "uses BUILD"),
        (b"Pnames\n.", "uses PERSID"),
        (b"\x80\x02", "damaged"),
        (b"", "damaged"),
    ],
)
def test_pickles_that_do_more_than_describe_tensors(tmp_path: Path, pickled: Any, says: Any) -> None:
    zip_with(tmp_path / "x.pt", pickled)
    with pytest.raises(InputError, match=says):
        read_codes(tmp_path / "x.pt")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_of_torch_save(tmp_path: Path, codes: Any, protocol: Any) -> None:
    value = {"codes": torch.from_numpy(codes), "text": "héllo", "n": 2**40, "x": [1.5, None, True, (1, 2, 3, 4)]}
    torch.save(value, tmp_path / "x.pt", pickle_protocol=protocol)
    assert np.array_equal(read_codes(tmp_path / "x.pt"), codes)


def forged_tensor(offset: Any, size: Any, stride: Any) -> Any:
    """The pickle and the storage of a tensor that claims what it likes about 64 stored int64."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nLongStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x40tQ"
    claims = b"".join(pickle.dumps(item, protocol=2)[2:-1] for item in (offset, size, stride))  # no PROTO, no STOP
    pickled = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + claims + b"\x89NtR."
    return pickled, [("x/data/0", np.arange(64, dtype="<i8").tobytes())]


def test_a_forged_tensor_stays_inside_its_storage(tmp_path: Path) -> None:
    good, extra = forged_tensor(0, (4, 16), (16, 1))
    zip_with(tmp_path / "x.pt", good, extra)
    assert read_codes(tmp_path / "x.pt").tolist() == np.arange(64).reshape(4, 16).tolist()
    for offset, size, stride in [
        (1, (4, 16), (16, 1)),
        (0, (4, 16), (17, 1)),
        (-1, (4, 16), (16, 1)),
        (0, (4, 16), (-16, 1)),
        (0, (4, -16), (16, 1)),
        (0, (4, 16), (16,)),
        (0, (2**40, 16), (0, 1)),
        ("0", (4, 16), (16, 1)),
        (0, 64, 1),
    ]:
        zip_with(tmp_path / "x.pt", *forged_tensor(offset, size, stride))
        with pytest.raises(InputError):
            read_codes(tmp_path / "x.pt")


def test_big_endian_storages(tmp_path: Path) -> None:
    pickled, _ = forged_tensor(0, (4, 16), (16, 1))
    extra = [("x/data/0", np.arange(64, dtype=">i8").tobytes()), ("x/byteorder", b"big")]
    zip_with(tmp_path / "x.pt", pickled, extra)
    assert read_codes(tmp_path / "x.pt").tolist() == np.arange(64).reshape(4, 16).tolist()


def test_the_old_torch_format_says_what_to_do(tmp_path: Path, codes: Any) -> None:
    torch.save(torch.from_numpy(codes), tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"before 1\.6"):
        read_codes(tmp_path / "x.pt")


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_codes(tmp_path / "x.npy")
    with pytest.raises(InputError, match="No such file"):
        read_codes(tmp_path / "folder_that_is_not_there")
    (tmp_path / "x.bin").write_bytes(b"123")
    with pytest.raises(InputError, match=r"expected a file ending in \.npy, \.npz, \.safetensors, \.pt, got \.bin"):
        read_codes(tmp_path / "x.bin")
    (tmp_path / "y.npy").mkdir()
    with pytest.raises(InputError, match="expected a regular file, got a folder"):
        read_codes(tmp_path / "y.npy")


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("whole")
    array = np.random.default_rng(1).integers(0, 2048, (8, 16))
    return [save(folder / f"x{suffix}", array) for suffix in (".npy", ".npz", ".safetensors", ".pt")]


@pytest.mark.parametrize("which", range(4))
def test_every_cut_of_a_file_is_refused(tmp_path: Path, whole_files: Any, which: Any) -> None:
    data = whole_files[which].read_bytes()
    path = tmp_path / whole_files[which].name
    for length in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        with pytest.raises(InputError):
            read_codes(path)


@pytest.mark.parametrize("which", range(4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_either_harmless_or_an_input_error(tmp_path: Path, whole_files: Any, which: Any, data: Any) -> None:
    whole = bytearray(whole_files[which].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / whole_files[which].name
    path.write_bytes(whole)
    try:
        found = read_codes(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert found.dtype == np.int64 and found.ndim == 2


def test_a_pickle_in_place_of_a_numpy_file_is_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    buffer = io.BytesIO()
    pickle.dump(Touch(victim), buffer)
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="no readable numpy array"):
        read_codes(tmp_path / "x.npy")
    assert not victim.exists()
