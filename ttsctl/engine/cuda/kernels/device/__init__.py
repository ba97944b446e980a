"""What runs on the GPU: Triton's language, imported by ``launch.py`` and ``compiled.py`` alone."""
