"""The user's documents: read them, check them, choose those that get queries."""
