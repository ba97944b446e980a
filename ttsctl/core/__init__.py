"""The words that every part shares: frozen values, errors and the engine protocol. Imports numpy only."""
