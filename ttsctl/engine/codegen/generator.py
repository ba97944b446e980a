"""Code generation: a request to frames of codes, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from ttsctl.core.errors import InputError
from ttsctl.core.request import Request
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.codegen.sampling import Group0Rules, SamplingPlan, decide, penalise
from ttsctl.engine.model.layers import KVState
from ttsctl.engine.model.prompt import Position, Prompt, build_prompt
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.recording.probes import CodegenProbes

# Room for the prompt and this many frames at once; the state doubles when a text runs longer.
FRAMES_AHEAD = 256


@dataclass
class Generation:
    """The state of one request between frames; the caller owns it.

    ``codes`` are the frames so far. ``ended`` is set by the end token, ``truncated`` by the cap.
    """

    prompt: Prompt
    plan: SamplingPlan
    generator: torch.Generator | None
    talker_state: KVState
    predictor_state: KVState
    trailing: Tensor
    pad: Tensor
    limit: int
    hidden: Tensor
    logits: Tensor
    codes: list[Tensor]
    probes: CodegenProbes
    ended: bool = False
    truncated: bool = False


class CodeGenerator:
    """Talker and predictor under one plan. Holds no request: every call gets the Generation it works on."""

    def __init__(self, talker: Talker, tokenizer: Tokenizer) -> None:
        self.talker = talker
        self.sizes = talker.sizes
        self.tokenizer = tokenizer
        self.device = talker.codec_head.weight.device
        self.rules = Group0Rules(self.sizes.codec_vocab_size, self.sizes.ids.codec_eos, self.device)

    def begin(
        self,
        request: Request,
        plan: SamplingPlan,
        generator: torch.Generator | None,
        probes: CodegenProbes | None = None,
    ) -> Generation:
        """Tokenise and run the prompt through the talker -> the state before the draw of frame 0.

        ``generator`` None = nothing is drawn. InputError for text, voice or forced codes that do not fit the model.
        """
        probes = CodegenProbes() if probes is None else probes
        prompt = build_prompt(request, self.sizes, self.tokenizer)
        limit = self._limit(prompt, plan.max_new_tokens)
        state = self.talker.new_state(len(prompt.positions) + min(limit, FRAMES_AHEAD))
        if probes.forced is not None:
            limit = self._forced_limit(prompt, len(probes.forced))
        with probes.attached():
            probes.at("text", 0)
            ids = [*prompt.instruct_ids, *prompt.ref_ids, *prompt.input_ids]
            probes.value("text", torch.tensor(ids, device=self.device))
            probes.at("prompt", 0)
            embeds = probes.value("prompt", self._embed(prompt.positions, self._voice(request.prompt, probes)))
            trailing = torch.tensor([*prompt.trailing, self.sizes.ids.tts_pad], device=self.device)
            texts = probes.value("prompt", self.talker.embed_text(trailing))
            probes.at("talker", 0)
            hidden, logits = self._step(embeds, state, probes)
            probes.pause()
        return Generation(
            prompt=prompt,
            plan=plan,
            generator=generator,
            talker_state=state,
            predictor_state=self.talker.code_predictor.new_state(),
            trailing=texts[:-1],
            pad=texts[-1],
            limit=limit,
            hidden=hidden,
            logits=logits,
            codes=[],
            probes=probes,
        )

    def frames(self, generation: Generation) -> Iterator[Tensor]:
        """Frames (groups,) int64 on the generator's device, until the end token or the cap.

        A cap of N tokens gives at most N - 1 whole frames: the last token is drawn to see whether it ends the speech.
        """
        seen = torch.empty(0, dtype=torch.int64, device=self.device)
        with generation.probes.attached():
            for token in range(generation.limit):
                code = self._draw_group0(generation, seen, token)
                if int(code) == self.rules.end_token:
                    generation.ended = True
                    return
                if token == generation.limit - 1:
                    generation.truncated = True
                    return
                frame = self._predict(generation, code, token)
                generation.codes.append(frame)
                seen = torch.cat([seen, code[None]])
                generation.probes.pause()
                # The frame is yielded before the talker's next step, so that a packet does not wait for a step that it
                # does not need.
                yield frame
                self._advance(generation, frame, token)

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

    def _step(self, x: Tensor, state: KVState, probes: CodegenProbes) -> tuple[Tensor, Tensor]:
        """Inputs x (n, hidden) -> last hidden state (hidden,) and group-0 logits (vocab,)."""
        hidden = probes.value("talker.hidden", self.talker.run(x, state))
        return hidden, probes.value("talker.logits", self.talker.codec_head(hidden))

    def _draw_group0(self, generation: Generation, seen: Tensor, token: int) -> Tensor:
        """The id of group 0 of frame ``token``, or the end token."""
        sampler = generation.plan.talker
        generation.probes.at("draw", token)
        logits = self.rules.apply(generation.logits, seen, token, sampler.repetition_penalty)
        code, scores = decide(logits, sampler, generation.generator)
        return generation.probes.drawn(code, logits, scores, sampler)

    def _predict(self, generation: Generation, code: Tensor, token: int) -> Tensor:
        """Group 0 of frame ``token`` -> the whole frame (groups,), drawn group after group."""
        predictor, probes = self.talker.code_predictor, generation.probes
        drawn = [code]
        for group in range(1, self.sizes.num_code_groups):
            probes.at("predictor", token, group)
            if group == 1:
                embedded = self.talker.embed_codec(code)
                logits = predictor.begin(generation.hidden, embedded, generation.predictor_state)
            else:
                logits = predictor.step(group - 1, drawn[-1], generation.predictor_state)
            logits = probes.value("predictor.logits", logits)
            probes.at("draw", token, group)
            drawn.append(self._draw(logits, drawn[1:], generation))
        return torch.stack(drawn)

    @staticmethod
    def _draw(logits: Tensor, seen: list[Tensor], generation: Generation) -> Tensor:
        """The id of the next group, from its logits and the ids ``seen`` of groups 1 on."""
        sampler = generation.plan.predictor
        logits = logits.float()
        if seen and sampler.repetition_penalty != 1.0:
            logits = penalise(logits, torch.stack(seen), sampler.repetition_penalty)
        code, scores = decide(logits, sampler, generation.generator)
        return generation.probes.drawn(code, logits, scores, sampler)

    def _advance(self, generation: Generation, frame: Tensor, index: int) -> None:
        """The talker's next step: the frame's embeddings plus that of the next trailing text id."""
        probes = generation.probes
        probes.at("talker", index + 1)
        text = generation.trailing[index] if index < len(generation.trailing) else generation.pad
        step = probes.value("talker.input", (self.talker.embed_frame(frame) + text)[None])
        generation.hidden, generation.logits = self._step(step, generation.talker_state, probes)
