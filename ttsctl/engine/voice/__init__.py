"""Cloned voices: a reference's audio to the codes and the x-vector that every request of the voice begins with."""
