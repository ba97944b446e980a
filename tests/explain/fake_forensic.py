"""A forensic engine in plain numpy: a small deterministic recurrent network with named modules, faults and jitter."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes import info_of
from ttsctl.core.config import Config
from ttsctl.core.engine import Capabilities
from ttsctl.core.errors import CannotJudge
from ttsctl.core.forensic import Site, Values
from ttsctl.core.request import Request, Voice
from ttsctl.core.run import Run
from ttsctl.core.timing import RunTiming
from ttsctl.core.trace import STAGES, Draws, Prints, Trace, TraceLevel

Array = NDArray[np.float32]
BOOKS, WIDTH, VOCAB, SAMPLES = 4, 8, 13, 6
END = VOCAB - 1
REQUEST = Request("eight by eight", Voice("v", "vivian"))


@dataclass(frozen=True)
class Fault:
    """Adds ``size`` to the first element of a point's value; None stands for every frame or codebook."""

    point: str
    frame: int | None = None
    codebook: int | None = None
    size: float = 0.25
    call: int = 0

    def hits(self, site: Site) -> bool:
        return (
            self.point == site.point
            and self.frame in (None, site.frame)
            and self.codebook in (None, site.codebook)
            and (self.frame is None or self.call == site.call)
        )


@dataclass(frozen=True)
class Tie:
    """Ids ``ids`` of one predictor head are best by far, and ``margin`` apart."""

    codebook: int
    ids: tuple[int, int]
    margin: float


@dataclass
class Eye:
    """What looks into one run: prints, values taken out, values put in, faults and jitter."""

    level: TraceLevel
    faults: Sequence[Fault] = ()
    grafts: Values = field(default_factory=dict)
    wanted: str | None = None
    jitter: np.random.Generator | None = None
    rows: list[tuple[str, str, int, int, bool, int]] = field(default_factory=list)
    taken: dict[Site, Any] = field(default_factory=dict)
    used: set[Site] = field(default_factory=set)
    seen: dict[int, Any] = field(default_factory=dict)
    calls: dict[tuple[str, int, int], int] = field(default_factory=dict)

    def out(self, point: str, stage: str, frame: int, codebook: int, value: Any, module: bool = True) -> Any:
        """The value that leaves a point, after fault, jitter and graft."""
        place = (point, frame, codebook)
        site = Site(point, frame, codebook, self.calls.get(place, 0))
        self.calls[place] = site.call + 1
        for fault in self.faults:
            if fault.hits(site):
                value = np.array(value)
                value.flat[0] += np.asarray(fault.size).astype(value.dtype)
        if self.jitter is not None and module:
            up = self.jitter.random(value.shape) < 0.5
            value = np.nextafter(value, np.where(up, np.inf, -np.inf).astype(value.dtype)).astype(value.dtype)
        every = Site(point, frame, None, site.call)
        for graft in (site, every):
            if graft in self.grafts:
                value = np.array(self.grafts[graft]).astype(value.dtype)
                self.used.add(graft)
        if point == self.wanted:
            self.taken[site] = np.array(value)
        if self.level == "modules" or (self.level == "stages" and not module):
            self._print(point, stage, frame, codebook, False, value)
        return value

    def into(self, point: str, stage: str, frame: int, codebook: int, value: Any) -> None:
        """A module's input, unless it is the very array printed before."""
        if self.level == "modules" and id(value) not in self.seen:
            self._print(point, stage, frame, codebook, True, value)

    def _print(self, point: str, stage: str, frame: int, codebook: int, is_input: bool, value: Any) -> None:
        self.rows.append((point, stage, frame, codebook, is_input, _print_of(value)))
        self.seen[id(value)] = value

    def prints(self) -> Prints:
        points = tuple(dict.fromkeys(row[0] for row in self.rows))
        numbers = {name: number for number, name in enumerate(points)}
        return Prints(
            points=points,
            point=np.array([numbers[row[0]] for row in self.rows], np.int32),
            stage=np.array([STAGES.index(row[1]) for row in self.rows], np.uint8),
            frame=np.array([row[2] for row in self.rows], np.int32),
            codebook=np.array([row[3] for row in self.rows], np.int16),
            is_input=np.array([row[4] for row in self.rows], np.bool_),
            value=np.array([row[5] for row in self.rows], np.uint64),
        )


def _print_of(value: Any) -> int:
    return int.from_bytes(blake2b(np.ascontiguousarray(value).tobytes(), digest_size=8).digest(), "little")


class FakeForensicEngine:
    """Implements core.forensic.Forensic. ``rounding`` jitters every ordinary run by that seed.

    ``unsteady`` jitters each run by another seed: an engine that drifts.
    """

    def __init__(
        self,
        *,
        faults: Sequence[Fault] = (),
        tie: Tie | None = None,
        rounding: int | None = None,
        unsteady: bool = False,
        frames: int = 6,
        packet: int = 4,
        sampling_seed: int | None = None,
        temperature: float = 1.0,
        cap: int | None = None,
        precision: str = "float32",
    ) -> None:
        self.faults, self.tie, self.rounding, self.unsteady = faults, tie, rounding, unsteady
        self.frames, self.packet, self.cap = frames, packet, cap
        self.sampling_seed, self.temperature = sampling_seed, temperature
        self.runs = 0
        self.config = Config()
        self.capabilities = Capabilities(codes=True, decoding=False, offline=False, traces=True, seeds=False)
        self.closed = False
        in_force: dict[str, object] = {"codegen_dtype": precision, "decoder_dtype": "float32"}
        self.info = replace(info_of(in_force=in_force), num_codebooks=BOOKS)
        self._weights: dict[str, Array] = {}

    def record(self, request: Request, level: TraceLevel, grafts: Values | None = None) -> Run:
        eye = self._eye(level, grafts=grafts or {})
        codegen = _Codegen(self, eye)
        codes = codegen.run(request)
        decode = self._eye(level, grafts=grafts or {})
        pcm = _decode(self, decode, codes)
        missed = set(grafts or {}) - eye.used - decode.used
        if missed:
            raise CannotJudge(f"{min(map(str, missed))} was never reached", "graft a site of this run")
        trace = Trace(level, codegen.draws(), eye.prints(), decode.prints())
        return Run("stream", codes, pcm, codegen.truncated, None, RunTiming(), trace=trace)

    def capture(self, request: Request, point: str, first_frame: int = 0) -> dict[Site, Any]:
        eye = self._eye("codes", wanted=point)
        codes = _Codegen(self, eye).run(request)
        decode = self._eye("codes", wanted=point)
        _decode(self, decode, codes)
        return {site: v for site, v in {**eye.taken, **decode.taken}.items() if site.frame >= first_frame}

    def force(self, request: Request, codes: NDArray[np.int64], jitter_seed: int | None = None) -> Draws:
        eye = self._eye("codes")
        if jitter_seed is not None:
            eye.jitter = np.random.default_rng(jitter_seed)
        codegen = _Codegen(self, eye)
        codegen.run(request, codes)
        return codegen.draws()

    def stream(self, request: Request) -> Iterator[Any]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True

    def _eye(self, level: TraceLevel, grafts: Values | None = None, wanted: str | None = None) -> Eye:
        self.runs += 1
        seed = self.runs if self.unsteady else self.rounding
        jitter = None if seed is None else np.random.default_rng(1000 + seed)
        return Eye(level, self.faults, grafts or {}, wanted, jitter)

    def weight(self, name: str, rows: int, columns: int) -> Array:
        """A fixed matrix of this name; a tie makes two rows of a head equal."""
        if name not in self._weights:
            seed = zlib.crc32(name.encode())
            values = np.random.default_rng(seed).standard_normal((rows, columns)) / np.sqrt(columns)
            self._weights[name] = values.astype(np.float32)
        return self._weights[name]


class _Codegen:
    def __init__(self, engine: FakeForensicEngine, eye: Eye) -> None:
        self.engine, self.eye = engine, eye
        self.truncated = False
        self.keys: dict[str, list[Array]] = {}
        self.rows: list[tuple[int, int, int, tuple[int, int], tuple[Any, Any], Any]] = []
        seed = engine.sampling_seed
        self.random = None if seed is None else np.random.default_rng(seed)

    def run(self, request: Request, forced: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        eye, codes = self.eye, []
        tokens = np.frombuffer(request.text.encode(), np.uint8).astype(np.int64)
        tokens = eye.out("text", "text", 0, 0, tokens, module=False)
        x = self._embed("talker.model.text_embedding", "prompt", 0, 0, tokens).sum(0) / np.float32(8)
        x = eye.out("prompt", "prompt", 0, 0, x, module=False)
        for frame in range(10_000):
            hidden, logits = self._talker(x, frame)
            if frame >= self.engine.frames:
                logits = logits.copy()
                logits[END] += np.float32(100)
            taken = self._draw(logits, frame, 0, frame < 2)
            if forced is not None:
                if frame == len(forced):
                    break
                taken = int(forced[frame, 0])
            if taken == END:
                break
            if frame == self.engine.cap:
                self.truncated = True
                break
            codes.append(self._predict(hidden, taken, frame, None if forced is None else forced[frame]))
            x = self._next_input(codes[-1], frame + 1)
        return np.array(codes, np.int64).reshape(-1, BOOKS)

    def draws(self) -> Draws:
        rows = self.rows
        return Draws(
            frame=np.array([r[0] for r in rows], np.int32),
            codebook=np.array([r[1] for r in rows], np.int32),
            id=np.array([r[2] for r in rows], np.int64),
            best=np.array([r[3] for r in rows], np.int64).reshape(-1, 2),
            logits=np.array([r[4] for r in rows], np.float32).reshape(-1, 2),
            gap=np.array([r[5] for r in rows], np.float32),
        )

    def _talker(self, x: Array, frame: int) -> tuple[Array, Array]:
        hidden = self._stack("talker.model", "talker", frame, 0, x, layers=2)
        hidden = self.eye.out("talker.hidden", "talker", frame, 0, hidden, module=False)
        logits = self._linear("talker.codec_head", "talker", frame, 0, hidden, VOCAB)
        return hidden, self.eye.out("talker.logits", "talker", frame, 0, logits, module=False)

    def _predict(self, hidden: Array, code: int, frame: int, forced: Any) -> list[int]:
        drawn = [code]
        self.keys = {k: v for k, v in self.keys.items() if k.startswith("talker.model.")}
        for book in range(1, BOOKS):
            root = "talker.code_predictor"
            name = f"{root}.model.codec_embedding.{book - 1}"
            x = hidden + self._embed(name, "predictor", frame, book, np.array(drawn[-1:]))[0]
            x = self._stack(f"{root}.model", "predictor", frame, book, x, layers=2)
            logits = self._linear(f"{root}.lm_head.{book - 1}", "predictor", frame, book, x, VOCAB - 1)
            logits = self.eye.out("predictor.logits", "predictor", frame, book, self._tied(logits, book), module=False)
            taken = self._draw(logits, frame, book)
            drawn.append(taken if forced is None else int(forced[book]))
        return drawn

    def _tied(self, logits: Array, book: int) -> Array:
        tie = self.engine.tie
        if tie is None or tie.codebook != book:
            return logits
        first, second = logits[0], logits[1]
        logits = logits.copy()
        best, rival = tie.ids
        # The rival goes through arithmetic of its own, so that rounding tells the two apart.
        logits[best] = np.float32(20) + first
        logits[rival] = np.float32(20) + second + (first - second) - np.float32(tie.margin)
        return logits

    def _draw(self, logits: Array, frame: int, book: int, no_end: bool = False) -> int:
        processed = logits / np.float32(self.engine.temperature)
        if no_end:
            processed[END] = -np.inf
        scores = processed
        if self.random is not None:
            scores = processed + self.random.gumbel(size=len(logits)).astype(np.float32)
        first, second = np.argsort(-scores, kind="stable")[:2]
        taken = self.eye.out("draw", "draw", frame, book, np.array([first], np.int64), module=False)
        best, gap = (int(first), int(second)), scores[first] - scores[second]
        self.rows.append((frame, book, int(taken[0]), best, (processed[first], processed[second]), gap))
        return int(taken[0]) % VOCAB

    def _next_input(self, frame_codes: list[int], frame: int) -> Array:
        total = np.zeros(WIDTH, np.float32)
        for book, code in enumerate(frame_codes):
            total = total + self._embed(f"talker.embed.{book}", "talker", frame, 0, np.array([code]))[0]
        left: Array = self.eye.out("talker.input", "talker", frame, 0, total / np.float32(2), module=False)
        return left

    def _embed(self, name: str, stage: str, frame: int, book: int, ids: NDArray[np.int64]) -> Array:
        self.eye.into(name, stage, frame, book, ids)
        left: Array = self.eye.out(name, stage, frame, book, self.engine.weight(name, 256, WIDTH)[ids % 256])
        return left

    def _linear(self, name: str, stage: str, frame: int, book: int, x: Array, size: int) -> Array:
        self.eye.into(name, stage, frame, book, x)
        left: Array = self.eye.out(name, stage, frame, book, self.engine.weight(name, size, len(x)) @ x)
        return left

    def _norm(self, name: str, stage: str, frame: int, book: int, x: Array) -> Array:
        self.eye.into(name, stage, frame, book, x)
        left: Array = self.eye.out(name, stage, frame, book, x / np.sqrt((x * x).mean() + np.float32(1e-5)))
        return left

    def _stack(self, root: str, stage: str, frame: int, book: int, x: Array, layers: int) -> Array:
        at = (stage, frame, book)
        for layer in range(layers):
            own = f"{root}.layers.{layer}"
            y = self._norm(f"{own}.input_layernorm", *at, x)
            q, k, v = (self._linear(f"{own}.self_attn.{p}_proj", *at, y, WIDTH) for p in "qkv")
            mixed = self._attend(f"{own}.self_attn", *at, q, k, v)
            x = self._between(f"{own}.residual", *at, x + self._linear(f"{own}.self_attn.o_proj", *at, mixed, WIDTH))
            y = self._norm(f"{own}.post_attention_layernorm", *at, x)
            gate, up = (self._linear(f"{own}.mlp.{p}_proj", *at, y, WIDTH) for p in ("gate", "up"))
            x = x + self._linear(f"{own}.mlp.down_proj", *at, np.tanh(gate) * up, WIDTH)
        return self._norm(f"{root}.norm", *at, x)

    def _attend(self, own: str, stage: str, frame: int, book: int, q: Array, k: Array, v: Array) -> Array:
        keys = self.keys.setdefault(own + ".k", [])
        values = self.keys.setdefault(own + ".v", [])
        keys.append(k)
        values.append(v)
        weights = np.exp(np.stack(keys) @ q / np.float32(3))
        mixed = (weights[:, None] * np.stack(values)).sum(0) / weights.sum()
        return self._between(own + ".attention", stage, frame, book, mixed)

    def _between(self, name: str, stage: str, frame: int, book: int, value: Array) -> Array:
        """An operation that no module holds: it can be at fault, but has no point of its own."""
        for fault in self.eye.faults:
            if fault.hits(Site(name, frame, book)):
                value = value + np.float32(fault.size)
        return value


def _decode(engine: FakeForensicEngine, eye: Eye, codes: NDArray[np.int64]) -> Array:
    """Packet by packet, each layer over all rows of a packet before the next one; rows alone, so size is no matter."""
    past = [np.zeros(WIDTH, np.float32)]
    pcm: list[Array] = []
    for start in range(0, len(codes), engine.packet):
        pcm += _decode_packet(engine, eye, start, codes[start : start + engine.packet], past)
    return np.concatenate(pcm) if pcm else np.empty(0, np.float32)


def _decode_packet(
    engine: FakeForensicEngine, eye: Eye, start: int, codes: NDArray[np.int64], past: list[Array]
) -> list[Array]:
    weight = engine.weight("decoder.transformer", WIDTH, WIDTH)
    conv = engine.weight("decoder.conv", WIDTH, WIDTH)

    def layer(name: str, rows: Iterable[Any], work: Callable[[Any], Any]) -> list[Any]:
        done = []
        for frame, row in enumerate(rows, start):
            eye.into(name, "codec", frame, 0, row)
            done.append(eye.out(name, "codec", frame, 0, work(row)))
        return done

    def point(name: str, rows: list[Any], stage: str = "codec") -> list[Any]:
        return [eye.out(name, stage, frame, 0, row, module=False) for frame, row in enumerate(rows, start)]

    def convolve(row: Array) -> Array:
        before, past[0] = past[0], row
        return conv @ row + before

    rows = point("codec.embed", layer("decoder.quantizer", codes, lambda row: _lookup(engine, row)))
    rows = layer("decoder.pre_transformer.layers.0.mlp.down_proj", rows, lambda row: weight @ row)
    rows = layer("decoder.decoder.0", point("codec.transformer", rows), convolve)
    sound = point("codec.pcm", [np.tanh(row)[:SAMPLES] for row in point("codec.wave.0", rows)])
    return point("packetiser", sound, "packetiser")


def _lookup(engine: FakeForensicEngine, codes: NDArray[np.int64]) -> Array:
    table = engine.weight("decoder.quantizer", 64 * BOOKS, WIDTH)
    total: Array = table[codes % 64 + 64 * np.arange(BOOKS)].sum(0)
    return total
