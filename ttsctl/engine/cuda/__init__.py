"""What the engine has for CUDA alone: graphs, and the stand-in that checks on the CPU what a graph would break."""
