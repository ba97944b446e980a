"""Comparing dumps: files, metas, folders and manifests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dumps.dump_helpers import changed
from ttsctl.core.codes import codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.dumps.compare import DEFAULT_PACKET_TOKENS, compare_dumps, judge_comparison
from ttsctl.dumps.manifest import write_manifest
from ttsctl.dumps.matching import condition_differences, config_differences


def bare(path: Any, codes: Any) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, codes)
    return path


def test_the_default_packet_is_that_of_the_config() -> None:
    assert Config().stream.packet_tokens == DEFAULT_PACKET_TOKENS


def test_equal_dumps(tmp_path: Path, codes: Any, put: Any) -> None:
    found = compare_dumps([put(tmp_path, codes, tag) for tag in "abc"])
    (request,) = found.requests
    assert (request.hash_unique, request.first_packet_hash_unique, len(request.groups)) == (1, 1, 1)
    assert [pair.equal for pair in found.pairs] == [True, True]
    assert judge_comparison(found).status == 0


@pytest.mark.parametrize(("frame", "book", "first_packets"), [(0, 0, 2), (3, 15, 2), (4, 0, 1), (20, 7, 1)])
def test_one_changed_id_is_reported_where_it_is(
    tmp_path: Path, codes: Any, frame: Any, book: Any, first_packets: Any
) -> None:
    """The negative control: the same files, one id apart."""
    paths = [bare(tmp_path / "x.npy", codes), bare(tmp_path / "y.npy", changed(codes, frame, book))]
    found = compare_dumps(paths)
    (pair,) = found.pairs
    assert (pair.equal, pair.first_diff_frame, pair.codebook, pair.kind) == (False, frame, book, "value")
    assert (pair.elements_differ, pair.frames_differ) == (1, 1)
    assert (found.requests[0].hash_unique, found.requests[0].first_packet_hash_unique) == (2, first_packets)
    assert judge_comparison(found).status == 1


def test_groups_of_equal_dumps(tmp_path: Path, codes: Any) -> None:
    other = changed(codes, 5, 5)
    arrays = {"a": other, "b": codes, "c": codes, "d": codes[:7], "e": codes}
    found = compare_dumps([bare(tmp_path / f"{name}.npy", array) for name, array in arrays.items()])
    names = [[label[-5] for label in group] for group in found.requests[0].groups]
    assert names == [["b", "c", "e"], ["a"], ["d"]]
    assert [(pair.a[-5], pair.b[-5]) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("a", "d"), ("a", "e")]


def test_formats_mix(tmp_path: Path, codes: Any) -> None:
    np.savez(tmp_path / "x.npz", codes[None].astype(np.int16))
    assert compare_dumps([bare(tmp_path / "x.npy", codes), tmp_path / "x.npz"]).pairs[0].equal


def test_packet_tokens(tmp_path: Path, codes: Any) -> None:
    paths = [bare(tmp_path / "x.npy", codes), bare(tmp_path / "y.npy", changed(codes, 12, 9))]
    packets = [compare_dumps(paths, size).pairs[0].packet for size in (None, 1, 5, 100)]
    assert packets == [3, 12, 2, 0]
    assert compare_dumps(paths, 13).requests[0].first_packet_hash_unique == 2


def test_metas_say_how_packets_were_cut(tmp_path: Path, codes: Any, put: Any) -> None:
    paths = [put(tmp_path, codes, "a", packet_tokens=8), put(tmp_path, changed(codes, 12, 9), "b")]
    found = compare_dumps(paths)
    assert (found.requests[0].packet_tokens, found.pairs[0].packet) == (8, 1)
    differences = found.pairs[0].condition_differences
    assert differences is not None and "config stream.packet_tokens: 8 against 4" in differences


# Metas alone


@pytest.mark.parametrize("one_side", [False, True])
def test_metas_alone_narrow_to_a_packet(tmp_path: Path, codes: Any, put: Any, one_side: Any) -> None:
    a = put(tmp_path, codes, "a", only_meta=not one_side)
    (pair,) = compare_dumps([a, put(tmp_path, changed(codes, 13, 9), "b", only_meta=True)]).pairs
    assert (pair.equal, pair.packet, pair.first_diff_between, pair.kind) == (False, 3, (12, 15), "value")
    assert (pair.first_diff_frame, pair.codebook, pair.elements_differ, pair.frames_differ) == (None,) * 4
    assert pair.reason is not None and "12 to 15" in pair.reason


def test_metas_alone_equal(tmp_path: Path, codes: Any, put: Any) -> None:
    found = compare_dumps([put(tmp_path, codes, tag, only_meta=True) for tag in "ab"])
    assert found.pairs[0].equal and judge_comparison(found).status == 0
    assert found.requests[0].first_packet_hash_unique == 1
    assert [dump.codes_present for dump in found.dumps] == [False, False]


def test_metas_alone_of_a_prefix_are_exact(tmp_path: Path, codes: Any, put: Any) -> None:
    paths = [put(tmp_path, codes, "a", only_meta=True), put(tmp_path, codes[:16], "b", only_meta=True)]
    (pair,) = compare_dumps(paths).pairs
    assert (pair.first_diff_frame, pair.kind, pair.packet) == (16, "length", 4)


def test_metas_with_other_packets_are_not_comparable_at_packet_level(tmp_path: Path, codes: Any, put: Any) -> None:
    other = changed(codes, 13, 9)
    paths = [put(tmp_path, codes, "a", only_meta=True), put(tmp_path, other, "b", only_meta=True, packet_tokens=8)]
    found = compare_dumps(paths)
    (pair,) = found.pairs
    assert (pair.equal, pair.packet, pair.first_diff_between) == (False, None, None)
    assert pair.reason is not None
    assert "packet_tokens differ (4 and 8): not comparable at packet level" in pair.reason
    assert found.requests[0].first_packet_hash_unique is None and found.requests[0].reason
    assert judge_comparison(found).status == 1


def test_codes_are_cut_as_the_lone_meta_was(tmp_path: Path, codes: Any, put: Any) -> None:
    paths = [put(tmp_path, codes, "a"), put(tmp_path, changed(codes, 13, 9), "b", only_meta=True, packet_tokens=8)]
    (pair,) = compare_dumps(paths).pairs
    assert pair.first_diff_between == (8, 15) and pair.packet is None


def test_metas_whose_hashes_contradict(tmp_path: Path, codes: Any, put: Any) -> None:
    a, b = (put(tmp_path, codes, tag, only_meta=True) for tag in "ab")
    value = json.loads(b.read_text())
    value["sha256"] = "0" * 64
    b.write_text(json.dumps(value))
    with pytest.raises(InputError, match="equal packet_sha256 but different sha256"):
        compare_dumps([a, b])


# Conditions


def test_what_differs_around_the_codes_is_said(tmp_path: Path, codes: Any, put: Any, make_meta: Any) -> None:
    provenance = make_meta(codes).provenance
    other = replace(provenance, cpu="b cpu", packages={"numpy": "2.1", "torch": "2.6"})
    found = compare_dumps([put(tmp_path, codes, "a"), put(tmp_path, codes, "b", provenance=other)])
    assert found.pairs[0].condition_differences == ["cpu: a cpu against b cpu", "package numpy: 2.0 against 2.1"]
    assert found.pairs[0].request_differences == []


def test_what_other_kernels_may_change_is_said(codes: Any, make_meta: Any) -> None:
    a, b = (replace(make_meta(codes), config={"backend": {"kernels": name}}) for name in ("torch", "triton"))
    (line,) = condition_differences(a, b)
    assert line.startswith("config backend.kernels: torch against triton; ") and "near-tie" in line
    assert config_differences({"engine": {"a": 1}}, {"engine": {"a": 2}}) == ["config engine.a: 1 against 2"]


def test_another_request_is_no_drift_and_said_so(tmp_path: Path, codes: Any, put: Any) -> None:
    paths = [put(tmp_path, codes, "a"), put(tmp_path, changed(codes, 1, 1), "b", text="bye", voice="v2")]
    found = compare_dumps(paths)
    differences = found.pairs[0].request_differences
    assert differences is not None
    assert [line.split(":")[0] for line in differences] == ["text sha256", "voice id"]
    outcome = judge_comparison(found)
    status, headline = outcome.status, outcome.headline
    assert status == 1 and "need not be drift" in headline


def test_without_metas_conditions_are_not_known(tmp_path: Path, codes: Any, put: Any) -> None:
    (pair,) = compare_dumps([put(tmp_path, codes, "a"), bare(tmp_path / "x.npy", codes)]).pairs
    assert pair.condition_differences is None
    assert pair.conditions_reason is not None and "no meta beside" in pair.conditions_reason


# Folders and manifests


@pytest.fixture
def two_folders(tmp_path: Path, codes: Any, put: Any) -> Any:
    """Two runs of two texts; the second text drifted in folder b."""
    a, b = tmp_path / "a", tmp_path / "b"
    put(a, codes, "t1_r1")
    put(a, codes[:9], "t2_r1", text="two", text_id="t2")
    put(b, codes, "other_tag")
    put(b, changed(codes[:9], 8, 2), "t2_r1", text="two", text_id="t2")
    return a, b


@pytest.mark.parametrize("with_manifest", [False, True])
def test_folders_match_by_request(two_folders: Any, with_manifest: Any) -> None:
    a, b = two_folders
    if with_manifest:
        a, b = write_manifest(a), write_manifest(b)
    found = compare_dumps([a, b])
    by_request = {pair.request: (pair.equal, pair.first_diff_frame, pair.codebook) for pair in found.pairs}
    assert by_request == {"t1 × v1": (True, None, None), "t2 × v1": (False, 8, 2)}
    assert [request.hash_unique for request in found.requests] == [1, 2]


def test_one_folder_is_compared_run_by_run(tmp_path: Path, codes: Any, put: Any) -> None:
    for tag, array in (("r1", codes), ("r2", codes), ("r3", changed(codes, 2, 2))):
        put(tmp_path, array, tag)
    put(tmp_path, codes, "lone", text="two", text_id="t2")
    found = compare_dumps([tmp_path])
    assert [(pair.b[-6:-4], pair.equal) for pair in found.pairs] == [("r2", True), ("r3", False)]
    assert len(found.unmatched) == 1 and "codes_lone.npy" in found.unmatched[0]


def test_a_request_without_a_match_is_never_a_pass(two_folders: Any, codes: Any, put: Any) -> None:
    a, b = two_folders
    (b / "codes_t2_r1.npy").unlink()
    (b / "meta_t2_r1.json").unlink()
    found = compare_dumps([a, b])
    assert [pair.equal for pair in found.pairs] == [True]
    outcome = judge_comparison(found)
    status, headline = outcome.status, outcome.headline
    assert status == 3 and "1 request not compared" in headline


def test_nothing_in_common(tmp_path: Path, codes: Any, put: Any) -> None:
    put(tmp_path / "a", codes, "x")
    put(tmp_path / "b", codes, "x", text="other")
    with pytest.raises(CannotJudge, match="no two dumps answer the same request"):
        compare_dumps([tmp_path / "a", tmp_path / "b"])


def test_folders_without_metas_match_by_tag(tmp_path: Path, codes: Any) -> None:
    for folder in "ab":
        bare(tmp_path / folder / "codes_x.npy", codes)
    bare(tmp_path / "a" / "codes_y.npy", codes)
    found = compare_dumps([tmp_path / "a", tmp_path / "b"])
    assert [pair.request for pair in found.pairs] == ["x"] and len(found.unmatched) == 1


def test_a_bare_file_joins_the_only_request_of_a_folder(tmp_path: Path, codes: Any, put: Any) -> None:
    put(tmp_path / "a", codes, "r1")
    found = compare_dumps([bare(tmp_path / "x.npy", codes), tmp_path / "a"])
    assert len(found.pairs) == 1 and found.pairs[0].equal


def test_dumps_that_a_manifest_does_not_list_are_named(tmp_path: Path, codes: Any, put: Any) -> None:
    put(tmp_path, codes, "a")
    put(tmp_path, codes, "b")
    write_manifest(tmp_path)
    put(tmp_path, codes, "c")
    found = compare_dumps([tmp_path])
    assert len(found.pairs) == 1 and "does not list meta_c.json" in found.notes[0]


def test_other_codecs_get_a_note_on_time(tmp_path: Path, codes: Any) -> None:
    paths = [bare(tmp_path / "x.npy", codes[:, :8]), bare(tmp_path / "y.npy", codes[:, :8])]
    assert "8 codebooks" in compare_dumps(paths).notes[0]


# What is refused


def test_bytes_that_are_not_those_of_the_meta(tmp_path: Path, codes: Any, put: Any) -> None:
    a, b = put(tmp_path, codes, "a"), put(tmp_path, codes, "b")
    np.save(b, changed(codes, 0, 0))
    for source in (b, tmp_path / "meta_b.json", tmp_path):
        with pytest.raises(InputError, match="expected the sha256 of its meta") as caught:
            compare_dumps([a, source])
        assert "codes_b.npy" in str(caught.value)


def test_same_bytes_in_another_shape(tmp_path: Path, codes: Any, put: Any) -> None:
    a, b = put(tmp_path, codes[:16], "a"), put(tmp_path, codes[:16], "b")
    np.save(b, codes[:16].reshape(32, 8))
    with pytest.raises(InputError, match=r"expected \(T, 16\), got \(32, 8\)"):
        compare_dumps([a, b])


@pytest.mark.parametrize("only_meta", [False, True])
def test_codes_out_of_range(tmp_path: Path, codes: Any, put: Any, only_meta: Any) -> None:
    bad = codes.copy()
    bad[6, 3] = 2048
    with pytest.raises(InputError) as caught:
        compare_dumps([put(tmp_path, codes, "a"), put(tmp_path, bad, "b", only_meta=only_meta)])
    assert "1 codes outside of [0, 2048)" in str(caught.value)
    assert only_meta or "first 2048 at frame 6 codebook 3" in str(caught.value)


def test_other_packet_hashes_than_those_of_the_codes(tmp_path: Path, codes: Any, put: Any) -> None:
    path = put(tmp_path, codes, "a")
    sidecar = tmp_path / "meta_a.json"
    value = json.loads(sidecar.read_text())
    value["packet_sha256"][3] = "0" * 64
    sidecar.write_text(json.dumps(value))
    with pytest.raises(InputError, match="packet_sha256 of its meta are not those of its codes"):
        compare_dumps([path, path])


def test_a_manifest_whose_dump_changed(tmp_path: Path, codes: Any, put: Any) -> None:
    put(tmp_path, codes, "a")
    write_manifest(tmp_path)
    (tmp_path / "codes_a.npy").unlink()
    (tmp_path / "meta_a.json").unlink()
    with pytest.raises(InputError, match=r"meta_a\.json"):
        compare_dumps([tmp_path])
    other = changed(codes, 1, 1)
    put(tmp_path, other, "a")
    with pytest.raises(InputError, match=f"got {codes_sha256(other)}"):
        compare_dumps([tmp_path])


def test_codes_in_a_folder_of_metas_need_theirs(tmp_path: Path, codes: Any, put: Any) -> None:
    put(tmp_path, codes, "a")
    bare(tmp_path / "codes_b.npy", codes)
    with pytest.raises(InputError, match=r"meta_b\.json is missing"):
        compare_dumps([tmp_path])


def test_too_few_dumps_and_empty_folders(tmp_path: Path, codes: Any, put: Any) -> None:
    with pytest.raises(InputError, match="at least two dumps, got 1"):
        compare_dumps([put(tmp_path / "a", codes)])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no dump in it"):
        compare_dumps([tmp_path / "a", tmp_path / "empty"])
    with pytest.raises(InputError, match="No such file"):
        compare_dumps([tmp_path / "a", tmp_path / "nowhere"])


def test_other_numbers_of_codebooks(tmp_path: Path, codes: Any, put: Any) -> None:
    paths = [put(tmp_path, codes, "a", only_meta=True), put(tmp_path, codes[:, :8], "b", only_meta=True)]
    with pytest.raises(InputError, match="equal numbers of codebooks"):
        compare_dumps(paths)
