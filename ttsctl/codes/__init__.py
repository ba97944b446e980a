"""Code dumps: writing, reading, hashing, comparing. Never imports torch."""
