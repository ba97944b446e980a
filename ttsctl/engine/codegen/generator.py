"""Code generation: a request to packets of codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from ttsctl.core.errors import InputError
from ttsctl.core.request import Request
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.codegen.draw_steps import DrawSteps, TorchDraws
from ttsctl.engine.codegen.draws import Group0Rules, Noise, PackageNoise, PhiloxNoise
from ttsctl.engine.codegen.frame import FrameFunction, Watch
from ttsctl.engine.codegen.frame_graphs import FrameGraphs, FrameSizes
from ttsctl.engine.codegen.frame_state import NEVER, FrameState
from ttsctl.engine.codegen.sampling import SamplingPlan
from ttsctl.engine.model.fixed_cache import reach_of
from ttsctl.engine.model.layer_steps import LayerSteps, TorchSteps
from ttsctl.engine.model.prompt import Position, Prompt, build_prompt
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.recording.probes import CodegenProbes


@dataclass
class Generation:
    """One request between frames; the caller owns it.

    ``state`` is what the frame function works on, and ``sequence`` the request's place in its batch. ``positions`` the
    talker has taken and ``frames`` are whole so far, as the host counts them. ``ended`` is set by the end token,
    ``truncated`` by the cap. ``graphs``: what its frames are replayed from; None = eagerly, for the reason
    ``eager_because`` where graphs were captured.
    """

    prompt: Prompt
    plan: SamplingPlan
    noise: Noise
    function: FrameFunction
    state: FrameState
    sequence: int
    positions: int
    limit: int
    probes: CodegenProbes
    graphs: FrameGraphs | None = None
    eager_because: str | None = None
    frames: int = 0
    ended: bool = False
    truncated: bool = False

    @property
    def logits(self) -> Tensor:
        """Group-0 logits (vocab,) of the frame that comes next, before any processor."""
        return self.state.logits[self.sequence]


@dataclass(frozen=True, eq=False)
class _Prompted:
    """A request's prompt, its talker inputs (n, hidden) and its embedded trailing text (m, hidden), with the pad."""

    prompt: Prompt
    embeds: Tensor
    texts: Tensor


class CodeGenerator:
    """Talker and predictor under one plan. Holds no request: every call gets the Generation it works on."""

    def __init__(
        self, talker: Talker, tokenizer: Tokenizer, steps: LayerSteps | None = None, draws: DrawSteps | None = None
    ) -> None:
        self.talker = talker
        self.sizes = talker.sizes
        self.tokenizer = tokenizer
        self.device = talker.codec_head.weight.device
        self.rules = Group0Rules(self.sizes.codec_vocab_size, self.sizes.ids.codec_eos, self.device)
        self.steps = TorchSteps() if steps is None else steps
        self.draws = TorchDraws() if draws is None else draws
        # Captured at load, if the configuration wants graphs.
        self.graphs: FrameGraphs | None = None

    def begin(
        self,
        request: Request,
        plan: SamplingPlan,
        seed: int | None,
        generator: torch.Generator | None = None,
        probes: CodegenProbes | None = None,
        company: Sequence[Request] = (),
    ) -> Generation:
        """Tokenise and run the prompt through the talker -> the state before the draw of frame 0.

        ``seed`` None = nothing is drawn. ``generator``: draw from it, as the public package does, and not from the
        seed's counter. ``company``: requests that share the batch; they draw with the seeds that follow. InputError for
        text, voice or forced codes that do not fit the model.
        """
        probes = CodegenProbes() if probes is None else probes
        with probes.attached():
            own = self._prompted(request, probes)
            limit = self._limit(own.prompt, plan.max_new_tokens)
            if probes.forced is not None:
                limit = self._forced_limit(own.prompt, len(probes.forced))
            # What runs for the others is none of the request's.
            probes.pause()
            others = [self._prompted(other, CodegenProbes()) for other in company]
            # The request itself sits at the end, where it would notice that a row is taken for another.
            everyone = [*others, own]
            positions = max(len(each.embeds) for each in everyone)
            texts = max(len(each.texts) for each in everyone)
            graphs, reason = self._graphs(plan, probes, FrameSizes(len(everyone), positions + limit, limit, texts))
            if graphs is None:
                state = FrameState.new(self.talker, len(everyone), reach_of(positions), limit, texts)
            else:
                state = graphs.state
            for sequence, each in enumerate(everyone):
                if each is own:
                    probes.at("talker", 0)
                own_seed = None if seed is None else (seed + len(others) - sequence) % 2**63
                state.begin(sequence, own_seed, plan, each.texts)
                self._prefill(state, sequence, each, probes if each is own else CodegenProbes())
            probes.pause()
            probes.sits(len(everyone), len(others))
        generation = Generation(
            prompt=own.prompt,
            plan=plan,
            noise=PhiloxNoise() if generator is None else PackageNoise(generator),
            function=FrameFunction(self.talker, self.rules, plan, self.steps, self.draws),
            state=state,
            sequence=len(others),
            positions=positions,
            limit=limit,
            probes=probes,
            graphs=graphs,
            eager_because=reason,
        )
        if graphs is not None:
            graphs.lend(generation)
        return generation

    def _graphs(
        self, plan: SamplingPlan, probes: CodegenProbes, sizes: FrameSizes
    ) -> tuple[FrameGraphs | None, str | None]:
        """What a request's frames are replayed from; or None, and why they are not although graphs were captured."""
        if self.graphs is None:
            return None, None
        records = probes.records or probes.forced is not None
        reason = "values are recorded or altered" if records else self.graphs.why_not(plan, sizes)
        return (self.graphs, None) if reason is None else (None, reason)

    def _prompted(self, request: Request, probes: CodegenProbes) -> _Prompted:
        """The prompt of a request, embedded."""
        prompt = build_prompt(request, self.sizes, self.tokenizer)
        self._limit(prompt, 1)
        probes.at("text", 0)
        ids = [*prompt.instruct_ids, *prompt.ref_ids, *prompt.input_ids]
        probes.value("text", torch.tensor(ids, device=self.device))
        probes.at("prompt", 0)
        embeds = probes.value("prompt", self._embed(prompt.positions, self._voice(request.prompt, probes)))
        trailing = torch.tensor([*prompt.trailing, self.sizes.ids.tts_pad], device=self.device)
        return _Prompted(prompt, embeds, probes.value("prompt", self.talker.embed_text(trailing)))

    def _prefill(self, state: FrameState, sequence: int, prompted: _Prompted, probes: CodegenProbes) -> None:
        """Run a prompt through the talker, alone, whatever the batch."""
        hidden = self.talker.prefill(prompted.embeds, state.talker_cache, sequence)
        hidden = probes.value("talker.hidden", hidden)
        logits = probes.value("talker.logits", self.steps.linear(self.talker.codec_head, hidden))
        state.spoken_to(sequence, hidden[0], logits[0], len(prompted.embeds))

    def frames(self, generation: Generation) -> Iterator[Tensor]:
        """Frames (groups,) int64 on the generator's device, one by one, as ``packets`` gives them."""
        for packet in self.packets(generation, 1):
            yield packet[0]

    def packets(self, generation: Generation, size: int, check: Callable[[], None] = lambda: None) -> Iterator[Tensor]:
        """Packets of ``size`` frames, (n, groups) int64 on the generator's device, until the end token or the cap.

        A cap of N tokens gives at most N - 1 whole frames: the last token is drawn to see whether it ends the speech.
        ``check`` is called before every frame.
        """
        # On a CPU, and where values are recorded, nothing may be computed after the end; on a GPU a look costs a wait.
        every_frame = generation.graphs is None and (self.device.type == "cpu" or generation.probes.records)
        with generation.probes.attached():
            while not (generation.ended or generation.truncated):
                first = generation.frames
                for _ in range(size):
                    check()
                    if not self._speak(generation, every_frame):
                        break
                if not every_frame:
                    self._look(generation)
                if generation.graphs is not None and (generation.ended or generation.truncated):
                    generation.graphs.take_back()
                if generation.frames > first:
                    yield generation.state.codes[generation.sequence, first : generation.frames].clone()

    def _speak(self, generation: Generation, look: bool) -> bool:
        """The next frame, or the draw that ends the speech; whether there may be another one."""
        if generation.graphs is not None:
            return self._replay(generation, generation.graphs)
        state, noise, number = generation.state, generation.noise, generation.frames
        watch = (
            Watch(generation.probes, generation.plan, number, generation.sequence)
            if generation.probes.records
            else None
        )
        if number:
            generation.function.advance(state, state.reach_for(generation.positions + 1), watch)
            generation.positions += 1
        generation.function.draw_group0(state, noise, watch)
        last = number == generation.limit - 1
        if look or last:
            generation.ended = int(state.ended_at[generation.sequence]) <= number
            generation.truncated = last and not generation.ended
            if last or generation.ended:
                return False
        generation.function.predict(state, noise, watch)
        generation.frames += 1
        generation.probes.pause()
        return True

    def _replay(self, generation: Generation, graphs: FrameGraphs) -> bool:
        """As ``_speak``, from graphs. They make whole frames alone, so after the last draw one more that is dropped."""
        number = generation.frames
        graphs.frame(number == 0, reach_of(generation.positions + 1))
        generation.positions += number > 0
        generation.frames += 1
        if number < generation.limit - 1:
            return True
        self._look(generation)
        generation.truncated = not generation.ended
        generation.frames = min(generation.frames, number)
        return False

    @staticmethod
    def _look(generation: Generation) -> None:
        """Once a packet: did the speech end in it? Frames from its end on are dropped."""
        ended_at = int(generation.state.ended_at[generation.sequence])
        if ended_at != NEVER:
            generation.ended, generation.truncated = True, False
            generation.frames = min(generation.frames, ended_at)

    def _limit(self, prompt: Prompt, max_new_tokens: int) -> int:
        """Tokens that may be drawn. InputError if prompt and trailing text need more positions than the model has."""
        most, taken = self.sizes.talker.max_position_embeddings, len(prompt.positions)
        # A text that is all in the prompt still needs one position for a frame and one for the end token.
        if taken + max(len(prompt.trailing), 2) > most:
            parts = {
                "split the text": len(prompt.input_ids),
                "shorten the instruction": len(prompt.instruct_ids),
                "take a shorter reference": prompt.reference_positions,
            }
            text, instruction, reference = parts.values()
            what = f"text: {text} tokens, an instruction of {instruction} and a reference of {reference} take"
            raise InputError(
                f"{what} {taken + len(prompt.trailing)} positions, over this model's {most}",
                max(parts, key=lambda fix: parts[fix]),
            )
        return min(max_new_tokens, most - taken)

    def _forced_limit(self, prompt: Prompt, frames: int) -> int:
        """Tokens of that many forced frames and the end token. InputError if the model has no room for them."""
        limit = self._limit(prompt, frames + 1)
        if limit <= frames:
            raise InputError(f"codes: {frames} frames to force, but this model has room for {limit - 1}", "give fewer")
        return limit

    def _voice(self, prompt: VoicePrompt | None, probes: CodegenProbes) -> tuple[Tensor, Tensor] | None:
        """A cloned voice's x-vector (hidden,) and the embeddings of its reference's frames (R, hidden), as used."""
        if prompt is None:
            return None
        weight, groups = self.talker.codec_head.weight, self.sizes.num_code_groups
        x_vector = probes.value("prompt.x_vector", torch.from_numpy(prompt.x_vector).to(weight))
        codes = np.zeros((0, groups), np.int64) if prompt.codes is None else prompt.codes
        frames = probes.value("prompt.ref_codes", torch.from_numpy(codes).to(weight.device))
        return x_vector, self.talker.embed_frames(frames)

    def _embed(self, positions: tuple[Position, ...], voice: tuple[Tensor, Tensor] | None) -> Tensor:
        """Prompt positions -> talker inputs (n, hidden)."""
        own = self.sizes.ids
        texts = torch.tensor([own.tts_pad if p.text is None else p.text for p in positions], device=self.device)
        codec = torch.tensor([own.codec_pad if p.codec is None else p.codec for p in positions], device=self.device)
        has_codec = torch.tensor([p.codec is not None for p in positions], device=self.device)
        embeds = self.talker.embed_text(texts)
        embeds = torch.where(has_codec[:, None], embeds + self.talker.embed_codec(codec), embeds)
        if voice is not None:
            at = [n for n, position in enumerate(positions) if position.x_vector]
            framed = [n for n, position in enumerate(positions) if position.frame is not None]
            embeds[at] += voice[0]
            embeds[framed] += voice[1]
        return embeds
