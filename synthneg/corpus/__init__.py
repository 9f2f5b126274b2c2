"""The user's documents, read as passages."""
