"""Suites, running them, baselines and judging. Knows the engine only by its protocol; never imports torch."""
