"""The Typer app: one thin command a file (signature, one call, render, exit)."""
