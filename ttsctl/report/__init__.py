"""What a person or a machine reads: run folders, summaries, tables, pictures. Never imports torch."""
