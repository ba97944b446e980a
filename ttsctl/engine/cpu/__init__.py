"""The CPU: products split by rows of the weight over a few threads, with bits that do not depend on their number."""
