"""Decoding: packets of codes to packets of PCM, in one of four modes."""
