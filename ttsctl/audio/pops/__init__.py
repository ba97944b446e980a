"""The pop detector: which samples stand out, and which of those speech does not explain."""
