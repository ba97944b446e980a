"""Which setting makes the difference? The smallest set of keys that turns A's behaviour into B's."""
