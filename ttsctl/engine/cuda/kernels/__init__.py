"""The frame's kernels in Triton, and torch twins that add in the same order.

Every output value is owned by one program, which sums over its inputs in one fixed order: lanes over blocks, one block
after another, then neighbouring lanes in pairs. There are no atomics, no split sums, no autotuning and no contracted
multiply-adds, and a row of a batch never meets another row: bits depend on a row's inputs alone.
"""
