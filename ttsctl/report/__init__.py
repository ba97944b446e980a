"""What a person or a machine reads: run folders, summaries, tables, JUnit and HTML. Never imports torch."""
