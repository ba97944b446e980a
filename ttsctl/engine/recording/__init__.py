"""What a run records of itself, and values put into it: probes, fingerprints, draws, interventions."""
