"""Wav files, metrics, pops, seams, alignment. Never imports torch."""
