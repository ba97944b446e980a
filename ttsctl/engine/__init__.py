"""Our engine, in PyTorch: the network, code generation, decoding, recording, and how fast they are."""
