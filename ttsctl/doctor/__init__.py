"""Is this machine fit for the work? Looks, judges each finding, and says what to do."""
