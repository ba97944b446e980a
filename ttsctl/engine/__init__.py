"""How the network is driven: sampling, determinism, decode modes, streaming."""
