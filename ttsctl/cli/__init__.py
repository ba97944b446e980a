"""The Typer app: one thin command a file. The only place where the engine and the gate meet."""
