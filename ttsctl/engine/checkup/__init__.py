"""A look at torch from a process of its own: versions, kernels really used, switches, a checkpoint, threads."""
