"""Which setting is to blame? The smallest set of keys that makes the difference."""
