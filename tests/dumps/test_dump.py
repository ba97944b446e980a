"""Dumps and manifests: what they say is true, and they are whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dumps.dump_helpers import changed
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.dumps.manifest import read_manifest, write_manifest
from ttsctl.dumps.meta import read_meta
from ttsctl.dumps.write import write_dump


def edited(path: Any, **fields: Any) -> None:
    """Rewrite fields of a JSON file; a field given as ``...`` is taken out."""
    value = json.loads(path.read_text())
    value.update(fields)
    path.write_text(json.dumps({name: item for name, item in value.items() if item is not ...}))


def test_a_dump_says_what_it_holds(tmp_path: Path, codes: Any, make_meta: Any) -> None:
    npy, sidecar = write_dump(tmp_path, make_meta(codes), codes)
    assert (npy.name, sidecar.name) == ("codes_a.npy", "meta_a.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["codes_a.npy", "meta_a.json"]
    stored = np.load(npy)
    assert stored.dtype == np.dtype("<i8") and np.array_equal(stored, codes)
    meta = json.loads(sidecar.read_text())
    raw = codes.astype("<i8").tobytes()
    assert meta["sha256"] == hashlib.sha256(raw).hexdigest()
    assert meta["text_sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert (meta["frames"], meta["num_codebooks"], meta["packet_tokens"]) == (21, 16, 4)
    assert (meta["min_code"], meta["max_code"]) == (int(codes.min()), int(codes.max()))
    assert (meta["out_of_range_count"], meta["codebook_size"]) == (0, 2048)
    previous, chain = b"", []
    for start in range(0, 21, 4):
        previous = hashlib.sha256(previous + codes[start : start + 4].astype("<i8").tobytes()).digest()
        chain.append(previous.hex())
    assert meta["packet_sha256"] == chain and meta["first_packet_sha256"] == chain[0]
    assert meta["timings"] == {"ttfa_ms": 12.5, "rtf": None}
    assert meta["voice"]["id"] == "v1" and meta["config"]["stream"]["packet_tokens"] == 4
    assert meta["provenance"]["packages"] == {"numpy": "2.0", "torch": "2.6"}


def test_a_meta_reads_back_as_it_was(tmp_path: Path, codes: Any, make_meta: Any) -> None:
    meta = make_meta(codes)
    assert read_meta(write_dump(tmp_path, meta, codes)[1]) == meta


def test_codes_out_of_range_are_counted(codes: Any, make_meta: Any) -> None:
    meta = make_meta(codes, codebook_size=1000)
    assert meta.out_of_range_count == int((codes >= 1000).sum()) > 0


def test_a_tag_is_never_overwritten(tmp_path: Path, codes: Any, make_meta: Any) -> None:
    write_dump(tmp_path, make_meta(codes), codes)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    other = changed(codes, 0, 0)
    for left in (["codes_a.npy", "meta_a.json"], ["codes_a.npy"]):
        for path in tmp_path.iterdir():
            if path.name not in left:
                path.unlink()
        with pytest.raises(InputError, match="already there"):
            write_dump(tmp_path, make_meta(other), other)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {name: before[name] for name in left}


@pytest.mark.parametrize("tag", ["", "../a", "a/b", ".hidden", "a b", "-x", "a\0", "ä", "a" * 129, "a\n"])
def test_tags_that_are_no_file_names(codes: Any, make_meta: Any, tag: Any) -> None:
    with pytest.raises(InputError, match="tag"):
        make_meta(codes, tag=tag)


def test_no_frames_are_no_dump(make_meta: Any) -> None:
    with pytest.raises(InputError, match="at least one frame"):
        make_meta(np.zeros((0, 16), dtype=np.int64))


def test_a_meta_of_other_codes_is_refused(tmp_path: Path, codes: Any, make_meta: Any) -> None:
    with pytest.raises(InputError, match="describes other codes"):
        write_dump(tmp_path, make_meta(codes), changed(codes, 3, 3))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fail_at", [0, 1])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_between_the_renames_leaves_nothing(
    tmp_path: Path, codes: Any, make_meta: Any, monkeypatch: pytest.MonkeyPatch, fail_at: Any, error: Any
) -> None:
    real, calls = os.replace, []

    def failing(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) > fail_at:
            raise error
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises((CannotJudge, KeyboardInterrupt)):
        write_dump(tmp_path, make_meta(codes), codes)
    assert len(calls) == fail_at + 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path, codes: Any, make_meta: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_dump(tmp_path / "file", make_meta(codes), codes)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sha256": ...}, "sha256: Field required"),
        ({"frames": "21"}, "frames: Input should be a valid integer"),
        ({"frames": 0}, "frames: Input should be greater"),
        ({"frames": 40}, "packet_sha256: expected 10 sha256"),
        ({"packet_tokens": 8}, "packet_sha256: expected 3 sha256"),
        ({"packet_tokens": 0}, "packet_tokens"),
        ({"sha256": "xyz"}, "sha256: expected 64 hex digits, got 'xyz'"),
        ({"first_packet_sha256": "0" * 64}, "first_packet_sha256 is not the first"),
        ({"voice": {}}, "voice: expected an id"),
        ({"voice": "v1"}, "voice: Input should be"),
        ({"timings": {"ttfa_ms": float("nan")}}, "timings.ttfa_ms"),
        ({"provenance": {}}, "provenance.machine_id: Field required"),
        ({"schema_version": "2.0"}, "expected schema_version 1.0, got '2.0'"),
        ({"schema_version": ...}, "with schema_version"),
    ],
)
def test_broken_metas_say_where(tmp_path: Path, codes: Any, make_meta: Any, fields: Any, says: Any) -> None:
    path = write_dump(tmp_path, make_meta(codes), codes)[1]
    edited(path, **fields)
    with pytest.raises(InputError) as caught:
        read_meta(path)
    assert says in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"a": '])
def test_metas_that_are_no_metas(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "meta_a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"meta_a\.json"):
        read_meta(path)


def test_a_later_minor_version_may_know_more(tmp_path: Path, codes: Any, make_meta: Any) -> None:
    path = write_dump(tmp_path, make_meta(codes), codes)[1]
    edited(path, schema_version="1.9", margins=[1, 2])
    assert read_meta(path).frames == 21


def test_a_manifest_counts_by_request(tmp_path: Path, codes: Any, put: Any) -> None:
    put(tmp_path, codes, "a")
    put(tmp_path, codes, "b")
    put(tmp_path, changed(codes, 12, 9), "c")
    put(tmp_path, codes, "d", text="other")
    put(tmp_path, codes, "e", voice="v2")
    put(tmp_path, codes, "f", voice="v2", packet_tokens=8)
    manifest = json.loads(write_manifest(tmp_path).read_text())
    assert [entry["tag"] for entry in manifest["dumps"]] == ["a", "b", "c", "d", "e", "f"]
    counts = {
        tuple(r["tags"]): (r["runs"], r["hash_unique"], r["first_packet_hash_unique"]) for r in manifest["requests"]
    }
    assert counts == {("a", "b", "c"): (3, 2, 1), ("d",): (1, 1, 1), ("e", "f"): (2, 1, None)}
    assert manifest["requests"][2]["reason"]
    assert [entry.tag for entry in read_manifest(tmp_path / "manifest.json")] == ["a", "b", "c", "d", "e", "f"]


def test_a_manifest_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no dump to list"):
        write_manifest(tmp_path)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "list 'dumps'"),
        ({"dumps": []}, "schema_version"),
        ({"schema_version": "1.0", "dumps": [3]}, "dumps.0"),
        ({"schema_version": "1.0", "dumps": [{"tag": "a"}]}, "dumps.0"),
        ({"schema_version": "1.0", "dumps": [{"tag": "../a", "sha256": "x"}]}, "tag '../a'"),
        ({"schema_version": "1.0", "dumps": [{"tag": "a", "sha256": "x"}] * 2}, "lists a twice"),
    ],
)
def test_broken_manifests(tmp_path: Path, value: Any, says: Any) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    assert says in str(caught.value)
