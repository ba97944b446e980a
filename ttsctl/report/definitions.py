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
        "pcm_sha256": "sha256 over the little-endian float32 samples of the streamed PCM.",
        "pops_s": "Times of discontinuities that speech does not explain, in seconds.",
        "spikes_s": "Times of the 20 largest steps between samples, 50 ms apart; consonants as well as pops.",
        "a_to_b": "Share of A's pops that B has within the tolerance, matched one to one, as the two stand.",
        "b_to_a": "Share of B's pops that A has within the tolerance, matched one to one, as the two stand.",
        "chance": "Share of A's pops that would lie within the tolerance of one of B's if those fell anywhere.",
        "corrected_a_to_b": "a_to_b with A's times moved by what B lost or gained before them.",
        "corrected_b_to_a": "b_to_a with A's times moved by what B lost or gained before them.",
        "lag_jumps": "Where B lost (negative) or gained samples against A, found in the audio alone.",
    }
)
