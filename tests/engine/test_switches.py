"""Process-wide switches: what each setting puts in force, what is read back, and that all of it is put back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from tests.engine_help import make_engine
from tests.overlap_help import REQUEST
from ttsctl.core.config import Config
from ttsctl.core.errors import EngineError, InputError
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.switches import (
    WORKSPACE_VARIABLE,
    InForce,
    Switches,
    apply_switches,
    codegen_switches,
    decoder_switches,
    read_workspace,
    restore,
    row_threads,
    set_workspace,
    snapshot,
    threads_chosen_by,
)
from ttsctl.runs.resolve_config import resolve_config

FOUND = Switches(
    deterministic=0,
    cudnn_benchmark=True,
    cudnn_deterministic=False,
    cudnn_allow_tf32=True,
    matmul_allow_tf32=True,
    mkldnn=True,
    bf16_reduced_sums=True,
    fp16_reduced_sums=True,
    sdpa_flash=True,
    sdpa_mem_efficient=True,
    sdpa_math=True,
    sdpa_cudnn=True,
    fill_empty=True,
    operation_threads=2,
)
# What every level but "off" pins.
PINNED = {
    "cudnn_benchmark": False,
    "bf16_reduced_sums": False,
    "fp16_reduced_sums": False,
    "sdpa_cudnn": False,
    "fill_empty": False,
}


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    before, workspace = snapshot(), read_workspace()
    yield
    assert snapshot() == before, "a test or the engine left a switch behind"
    if workspace is None:
        os.unsetenv(WORKSPACE_VARIABLE)
    else:
        os.putenv(WORKSPACE_VARIABLE, workspace)


def config_of(*sets: str) -> Config:
    return resolve_config({"engine": {"device": "cpu"}}, None, list(sets))


@pytest.mark.parametrize("field", ["deterministic", *list(asdict(FOUND))[1:]])
def test_every_switch_is_set_and_put_back(field: str) -> None:
    before = snapshot()
    value = getattr(before, field)
    changed: Any = 3 - value if field == "operation_threads" else 2 - value if type(value) is int else not value
    other = replace(before, **{field: changed})
    restore(other)
    assert snapshot() == other != before
    restore(before)
    assert snapshot() == before


def test_levels() -> None:
    one = replace(FOUND, operation_threads=1)
    assert codegen_switches(config_of("determinism.level=off"), FOUND) == one
    soft = replace(one, **PINNED)
    assert codegen_switches(config_of(), FOUND) == soft
    strict = replace(
        soft,
        deterministic=2,
        cudnn_deterministic=True,
        cudnn_allow_tf32=False,
        matmul_allow_tf32=False,
        fill_empty=True,
    )
    assert codegen_switches(config_of("determinism.level=strict"), FOUND) == strict


@pytest.mark.parametrize("level", ["soft", "strict"])
def test_nothing_of_attention_and_sums_is_as_found(level: str) -> None:
    """Whatever was in force before, two processes run the same kernels."""
    names = [name for name in asdict(FOUND) if name.startswith("sdpa_") or name.endswith("_reduced_sums")]
    other = replace(FOUND, **{name: not getattr(FOUND, name) for name in [*names, "fill_empty"]})
    config = config_of(f"determinism.level={level}")
    assert codegen_switches(config, other) == codegen_switches(config, FOUND)


@pytest.mark.parametrize("found", [1, 2, 64])
def test_an_operation_has_one_thread_and_the_source_of_the_pool_s_number_is_told(found: int) -> None:
    """Last bits may go with the threads within an operation; those of the pool change none."""
    before = replace(FOUND, operation_threads=found)
    for sets, threads, chosen_by in (
        ((), 1, "the default: one, as backend.threads is not set"),
        (("determinism.single_thread=true",), 1, "determinism.single_thread"),
        (("backend.threads=4",), 4, "backend.threads"),
    ):
        config = config_of(*sets)
        for switches in (codegen_switches(config, before), decoder_switches(config, before)):
            assert switches.operation_threads == 1
        assert row_threads(config) == threads and threads_chosen_by(config) == chosen_by


@pytest.mark.parametrize(
    ("sets", "strict"),
    [
        ((), False),
        (("determinism.strict_decoder=true",), True),
        (("stream.overlap=process",), False),
        # Two threads share the process's switches, so strict holds for both.
        (("stream.overlap=thread",), True),
    ],
)
def test_strict_is_for_the_decoder_only_if_told_so(sets: tuple[str, ...], strict: bool) -> None:
    config = config_of("determinism.level=strict", *sets)
    assert codegen_switches(config, FOUND).deterministic == 2
    assert (decoder_switches(config, FOUND).deterministic == 2) is strict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("backend.cudnn_benchmark=true", "cudnn_benchmark", True),
        ("backend.cudnn_deterministic=true", "cudnn_deterministic", True),
        ("backend.cudnn_allow_tf32=false", "cudnn_allow_tf32", False),
        ("backend.matmul_allow_tf32=true", "matmul_allow_tf32", True),
        ("backend.mkldnn=false", "mkldnn", False),
        ("backend.threads=2", "operation_threads", 1),
        ("determinism.single_thread=true", "operation_threads", 1),
    ],
)
def test_the_backend_table_is_read_back_of_both_stages(setting: str, field: str, value: Any) -> None:
    before = snapshot()
    seen: list[Switches] = []
    engine = make_engine("builtin", setting, "sampling.max_new_tokens=3")
    for module in (engine.generator.talker.model.norm, engine.decoder.pre_conv):
        module.register_forward_hook(lambda *_: seen.append(snapshot()))
    for event in engine.stream(REQUEST):
        assert snapshot() == before, f"the consumer of {type(event).__name__} must not notice"
    engine.offline(REQUEST)
    assert len(seen) >= 4 and {getattr(switches, field) for switches in seen} == {value}
    assert engine.info.in_force[field] == engine.info.in_force["decoder_switches"][field] == value  # type: ignore[index]


def deterministic_in(engine: LocalEngine) -> tuple[set[int], set[int]]:
    """Torch's mode as seen inside code generation and inside the decoder."""
    codegen: set[int] = set()
    decoder: set[int] = set()
    engine.generator.talker.model.norm.register_forward_hook(lambda *_: codegen.add(snapshot().deterministic))
    engine.decoder.pre_conv.register_forward_hook(lambda *_: decoder.add(snapshot().deterministic))
    list(engine.stream(REQUEST))
    engine.offline(REQUEST)
    return codegen, decoder


@pytest.mark.parametrize(
    ("sets", "wanted"),
    [
        ((), ({2}, {0})),
        (("determinism.strict_decoder=true",), ({2}, {2})),
        (("stream.overlap=thread",), ({2}, {2})),
    ],
)
def test_strict_in_each_stage(sets: tuple[str, ...], wanted: tuple[set[int], set[int]]) -> None:
    engine = make_engine("builtin", "determinism.level=strict", "sampling.max_new_tokens=6", *sets)
    assert deterministic_in(engine) == wanted
    in_force = engine.info.in_force
    assert in_force["deterministic_algorithms"] is True
    assert in_force["decoder_switches"]["deterministic_algorithms"] is (wanted[1] == {2})  # type: ignore[index]
    assert in_force["cublas_workspace"] == ":4096:8"


def test_two_engines_of_one_process_do_not_leak_into_each_other() -> None:
    plain = make_engine("builtin", "sampling.max_new_tokens=6", "stream.overlap=thread")
    strict = make_engine("builtin", "determinism.level=strict", "sampling.max_new_tokens=6", "backend.mkldnn=false")
    assert deterministic_in(strict) == ({2}, {0})
    assert deterministic_in(plain) == ({0}, {0})
    assert make_engine("builtin").info.in_force["mkldnn"] is True


def test_a_stream_in_a_thread_holds_its_switches_until_the_last_is_closed() -> None:
    before = snapshot()
    engine = make_engine("builtin", "determinism.level=strict", "stream.overlap=thread")
    one, other = engine.stream(REQUEST), engine.stream(REQUEST)
    next(one), next(other)
    one.close()  # type: ignore[attr-defined]
    assert snapshot().deterministic == 2
    other.close()  # type: ignore[attr-defined]
    assert snapshot() == before


def test_apply_switches_leaves_no_former_setting_half_in_place() -> None:
    before = snapshot()
    apply_switches(config_of("determinism.level=strict"))
    assert snapshot().deterministic == 2 and snapshot().operation_threads == 1
    restore(before)
    apply_switches(config_of())
    assert snapshot() == replace(before, **PINNED, operation_threads=1)
    restore(before)


def test_in_force_puts_back_after_an_error() -> None:
    before = snapshot()
    with pytest.raises(KeyError), InForce(replace(before, mkldnn=False)):
        assert not snapshot().mkldnn
        raise KeyError
    assert snapshot() == before


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (("backend.threads=2", "determinism.single_thread=true"), "threads = 2 with determinism.single_thread"),
        (("backend.cublas_workspace=big",), "is no workspace"),
        (("backend.cublas_workspace=:0:0", "determinism.level=strict"), "strict needs"),
        (("graphs.decoder=true", "decoder.mode=windowed"), "graphs.decoder = true captures"),
    ],
)
def test_what_contradicts_itself_is_refused(sets: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_engine("builtin", *sets)


def test_one_thread_said_twice_is_no_conflict() -> None:
    engine = make_engine("builtin", "backend.threads=1", "determinism.single_thread=true")
    assert engine.info.in_force["threads"] == 1


def test_the_workspace_is_set_and_read_where_cublas_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    os.unsetenv(WORKSPACE_VARIABLE)
    assert read_workspace() is None
    set_workspace(config_of("determinism.level=off"))
    assert read_workspace() == ":4096:8"
    set_workspace(config_of("determinism.level=strict", "backend.cublas_workspace=:16:8"))
    assert read_workspace() == ":16:8"
    # The C environment is what children and libraries see.
    shown = subprocess.run(["/bin/sh", "-c", f"echo ${WORKSPACE_VARIABLE}"], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ":16:8"
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    set_workspace(config_of("backend.cublas_workspace=:16:8"))
    with pytest.raises(EngineError, match="new process"):
        set_workspace(config_of("backend.cublas_workspace=:32:8"))


@pytest.mark.parametrize("level", ["off", "soft", "strict"])
def test_strict_is_never_refused_after_an_engine_of_any_level(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.unsetenv(WORKSPACE_VARIABLE)
    set_workspace(config_of(f"determinism.level={level}"))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    set_workspace(config_of("determinism.level=strict"))
    set_workspace(config_of("determinism.level=off"))
    assert read_workspace() == ":4096:8"


def test_strict_is_refused_where_cuda_has_started_without_a_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: something other than an engine may start CUDA first."""
    os.unsetenv(WORKSPACE_VARIABLE)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    set_workspace(config_of())
    assert read_workspace() is None
    with pytest.raises(EngineError, match="new process"):
        set_workspace(config_of("determinism.level=strict"))


@pytest.mark.parametrize("sync", ["sync", "event", "phase"])
def test_nothing_is_left_to_synchronise_on_the_cpu(sync: str) -> None:
    with pytest.raises(InputError, match="both stages run on the CPU"):
        make_engine("builtin", f"stream.sync={sync}")


@pytest.mark.parametrize("sync", ["event", "phase"])
def test_one_process_and_one_gpu(sync: str) -> None:
    from ttsctl.engine.cuda.handover import refuse_sync
    from ttsctl.engine.placement import Placement

    thread = "stream.overlap=thread"
    cpu, first, second = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
    place = {device: (device, torch.float32) for device in (cpu, first, second)}
    for codegen, decoder in ((first, cpu), (cpu, first), (first, second)):
        with pytest.raises(InputError, match="on one GPU"):
            refuse_sync(config_of(f"stream.sync={sync}", thread), Placement(*place[codegen], *place[decoder]))
        refuse_sync(config_of("stream.sync=sync"), Placement(*place[codegen], *place[decoder]))
    one_gpu = Placement(*place[first], *place[first])
    with pytest.raises(InputError, match="in one process"):
        refuse_sync(config_of(f"stream.sync={sync}", "stream.overlap=process"), one_gpu)
    with pytest.raises(InputError, match="the stages take turns"):
        refuse_sync(config_of(f"stream.sync={sync}", "stream.overlap=none"), one_gpu)
    refuse_sync(config_of(f"stream.sync={sync}", thread), one_gpu)
    # "cuda" without a number is the first.
    unnumbered = Placement(torch.device("cuda"), torch.float32, *place[first])
    refuse_sync(config_of(f"stream.sync={sync}", thread), unnumbered)
