"""Where do two runs of one text first differ? The first difference, its size, and its proof."""
