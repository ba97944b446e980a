"""Is it the decoder? The same codes through several decode modes, and what explains each difference."""
