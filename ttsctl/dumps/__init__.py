"""Files of codes and traces: write, read, hash, diff, compare. Never imports torch."""
