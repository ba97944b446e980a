"""Code generation: a request to packets of codes, inline, in a thread, or in a worker process."""
