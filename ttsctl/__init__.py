"""Regression and drift forensics for a streaming codec-LM text-to-speech engine."""

__version__ = "0.1.0"
