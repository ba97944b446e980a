"""Wav files, metrics, pops and lag. Never imports torch."""
