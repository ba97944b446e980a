"""Where did two runs of one text part? The first difference, its size, and its proof."""
