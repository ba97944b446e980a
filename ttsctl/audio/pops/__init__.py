"""The pop detector: which samples stand out, and which of them speech does not explain."""
