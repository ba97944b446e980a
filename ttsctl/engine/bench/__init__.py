"""How fast the engine is, and what recording costs."""
