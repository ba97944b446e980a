"""A CUDA device that is not there: tensors of device ``cuda:0`` with real values on the CPU, and CUDA's rules checked.

It changes torch for the whole process, so it lives in a process of its own: ``python -m tests.simcuda.run CASES.json``.
What it checks: operands on two devices, generators on the wrong one, every wait of the host and where, races between
streams and threads (vector clocks; Mattern, 1989), memory given back while another stream may use it, and pinned memory
read before its copy is complete. It says nothing of times, of kernels' rounding, or of memory's size.
"""
