"""One sentence a metric: what a figure in a summary means."""

from __future__ import annotations

from types import MappingProxyType

DEFINITIONS = MappingProxyType(
    {
        "frames": "Frames of codes; one is 16 ids, 80 ms, 1920 samples at 24 kHz.",
        "seed": "Seed of the request's own generator; null for greedy and free sampling.",
        "truncated": "True if the generation hit max_new_tokens before the end token.",
        "ttfp_ms": "Time from the request to the first packet of codes, in ms.",
        "ttf_ms": "Time from the request to the first packet decoded (ttfp_ms plus its decoding), in ms.",
        "ttfa_ms": "Time from the request to the first PCM at the consumer, in ms.",
        "rtf": "Real-time factor: compute seconds per second of audio; below 1 is faster than real time.",
        "code_ms": "Time in code generation, all packets together, in ms.",
        "decode_ms": "Time in the decoder, all packets together, in ms.",
        "decode_first_ms": "Time in the decoder for the first packet, in ms.",
        "queue_wait_ms": "Time packets waited between code generation and decoder, all together, in ms.",
        "decode_calls": "How many times the decoder was called.",
        "samples": "Samples of PCM that came out.",
        "samples_expected": "1920 samples for every frame.",
        "sha256": "sha256 over the little-endian int64 bytes of the codes (T, Q) in C order.",
        "hash_unique": "Number of different codes sha256 among the runs of one request; 1 means no drift.",
        "first_packet_hash_unique": "Number of different sha256 among the first packets of the runs.",
        "first_diff_frame": "First frame in which two code arrays differ; the shorter length if one is a prefix of "
        "the other; null if they are equal.",
        "out_of_range_count": "Code ids below 0 or at or over the codebook size.",
        "min_code": "Smallest code id.",
        "max_code": "Largest code id.",
        "kind": "How two code arrays part: by a value, or by length alone; null if equal or not known.",
        "packet": "Packet (of packet_tokens frames, from 0) that first_diff_frame is in.",
        "codebook": "First codebook that differs in first_diff_frame; 0 is semantic, the others acoustic.",
        "time_s": "Where first_diff_frame starts, in seconds, at 12.5 frames a second.",
        "elements_differ": "Code ids that differ, within the frames that both arrays have.",
        "first_diff_between": "First and last frame that the first difference may be in, where only hashes were there.",
        "frames_differ": "Frames with at least one id that differs, within the frames that both arrays have.",
        "groups": "Sets of dumps whose codes are equal.",
        "codes_sha256": "sha256 of the codes of the first streamed run.",
        "pcm_hash_unique": "Number of different sha256 over the float32 PCM of the streamed runs.",
        "offline_codes_equal": "True if the offline run gave the codes of the first streamed run.",
        "offline_first_diff_frame": "First frame in which offline and streamed codes differ; null if they are equal.",
        "mae_waveform": "Mean absolute difference of streamed and offline audio where they fit best within ±500 ms, "
        "full scale 1.",
        "offset_ms": "Shift at which streamed and offline audio fit best; positive if the stream is late.",
        "snr_db": "Energy of the offline audio over that of its difference to the streamed, aligned; at most 150 dB, "
        "which equal audio has.",
        "duration_diff_ms": "Difference in length of streamed and offline audio, absolute, in ms.",
        "finite": "True if no sample of any run is NaN or infinite.",
        "rms": "Root mean square of the streamed audio, full scale 1.",
        "peak": "Largest absolute sample of the streamed audio, full scale 1.",
        "pop_click_score": "95th percentile of |differences of consecutive 20-ms frame RMS|, full scale 1.",
        "repeat_count": "Pairs of adjacent 500-ms windows that correlate at 0.995 or more.",
        "snr_baseline_db": "Energy of the baseline's streamed audio over that of its difference to this run's, "
        "aligned; at most 150 dB, which equal audio has.",
        "baseline_first_diff_packet": "First packet whose codes differ from the baseline's; null if all are equal.",
        "chunks": "Chunks of stream.chunk_ms in which the streamed PCM left.",
        "pcm_sha256": "sha256 over the little-endian float32 samples of the streamed PCM.",
        "pops_s": "Times of discontinuities that speech does not explain, in seconds.",
        "spikes_s": "Times of the 20 largest steps between samples, 50 ms apart; consonants as well as pops.",
        "a_to_b": "Share of A's pops that B has within the tolerance, matched one to one, as the two stand.",
        "b_to_a": "Share of B's pops that A has within the tolerance, matched one to one, as the two stand.",
        "chance": "Share of A's pops that would lie within the tolerance of one of B's if those fell anywhere.",
        "corrected_a_to_b": "a_to_b with A's times moved by what B lost or gained before them.",
        "corrected_b_to_a": "b_to_a with A's times moved by what B lost or gained before them.",
        "lag_jumps": "Where B lost (negative) or gained samples against A, found in the audio alone.",
        "pops_per_minute": "Discontinuities that speech does not explain, for each minute of audio.",
        "decode_call_ms": "Time in the decoder over the number of its calls, in ms.",
        "first_packet_ms": "Time in the decoder until the first samples are out, in ms; all of it for one-shot.",
        "decoder_rtf": "Seconds in the decoder per second of audio that came out.",
        "mae": "Mean absolute difference of two decodes, sample on sample over what both have, full scale 1.",
        "largest": "Largest absolute difference of two decodes, sample on sample, full scale 1.",
        "corrected_mae": "mae with lost and added samples taken out; null if the two do not align.",
        "corrected_largest": "largest with lost and added samples taken out; null if the two do not align.",
        "ratio_db": "Level of the difference in the 10 ms after a seam over that in the middle half of its packet.",
        "pop_code_stats": "Where pops sit: at seams, where codes jump, or neither, each with a permutation p-value.",
        "explanation": "Which of a fixed set of explanations hold for the difference of two decodes, with evidence.",
        "seconds_a_second": "Wall seconds of decoding per second of audio, over the whole run.",
        "frame_ms": "Cost of a frame once the context is full: median packet over its frames; for oneshot the whole "
        "over its frames. In ms.",
        "relative_cost": "frame_ms over that of oneshot in the same run.",
        "packet_ms": "Wall time of each packet by position, in ms.",
        "growth": "How packet_ms changes with position once the context is full: Theil-Sen slope with 95 % interval, "
        "and last quarter's median over the first's.",
        "clock": "cpu: the process's own time, where all is computed on the CPU; wall: time with CUDA's work done.",
        "code_frame_ms": "Time of code generation a frame, with what recording it takes, in ms by the clock.",
        "decode_frame_ms": "Time of decoding a frame, with what recording it takes, in ms by the clock.",
        "prints": "Fingerprints a frame, of code generation and decoding together.",
        "draws": "Draws recorded a frame; the draw that ends or cuts the run is one more.",
        "trace_cost": "relative_cost: a level's time over that of no trace in the same round, median of all rounds, "
        "with its 95 % interval by the sign test.",
        "verdict": "bad: some run showed the symptom, which is proof; clean: none did; unresolved: the keys do not run "
        "together.",
        "runs": "Runs that ended well; errors and skipped runs are not among them.",
        "errors": "Runs that failed; none is tried again.",
        "skipped_runs": "Runs not made: the machine lacks what they need, or there were no codes for them.",
        "truncated_runs": "Runs that hit max_new_tokens before the end token.",
        "drifted_runs": "Runs unlike the first of their text: in codes, or in audio where codes were given.",
        "drift_bound": "Highest drift rate that the clean runs of a text leave possible at 95 %: 1 - 0.05^(1/n); the "
        "text with the fewest runs counts. Null where drift was seen.",
        "reference_first_diff_frame": "First frame in which codes differ from those of the reference condition's first "
        "run of the text, the earliest of all runs; null if all are equal.",
        "reference_codes_differ": "Runs whose codes are not those of the reference condition's first run of the text.",
        "reference_pcm_differ": "Runs whose PCM is not that of the reference condition's first run of the text.",
        "reference_mae": "Mean absolute difference in audio to the reference condition's first run of the text, "
        "aligned, full scale 1; the run that differs most counts.",
        "topk_first_diff_frame": "First frame with a draw whose best two ids, or their logits, are not those of the "
        "reference condition's first run; null if all are equal.",
        "topk_ids_differ": "Draws whose best two ids are not the reference's, in the run that has most of them.",
        "topk_logits_differ": "Draws whose logits of the best two ids are not the reference's, in the run with most.",
        "pops": "Pops found in a run, the most of any run.",
        "pops_unique": "Number of different lists of pop times among the runs of one text; 1 means that no pop moved.",
        "first_divergence": "Where two runs part first: stage, frame, codebook and module, in the order of execution.",
        "inputs_equal": "True if all that the named value was computed from was equal: then it is the culprit; null, "
        "with a reason, where that was not recorded.",
        "drift_kind": "equal; silent_drift: equal codes from other values; near_tie_flip: a draw took another id, its "
        "gap moving no more than by the rounding noise; real_change: by more, or a gap before it by more than twice "
        "the noise, or the draw itself differs, or one run was cut; "
        "decode_change: only decoding differs; null, with a reason, if not judged.",
        "gap_change": "How far the gap between the best ids of both runs moved at the first draw with another id, in "
        "logits, histories being equal.",
        "largest_gap_change": "Largest change of a draw's gap between its best ids while the codes were equal, in "
        "logits.",
        "noise": "Changes of gaps when the last bit of every module's output moves at random, A's codes forced: the "
        "largest is the bound of a near-tie flip.",
        "forced": "A's codes forced through B, so that nothing cascades: the draws that would have taken another id.",
        "rungs": "Grafts of A's values into B, from the narrowest on: proven if B then equals A from there on; where "
        "that takes several stages at once, no one place is proven.",
        "x_realtime": "Seconds of audio handled per second of CPU time.",
    }
)
