"""Controlled experiments: vary one thing at a time, find what differs first, and prove it."""
