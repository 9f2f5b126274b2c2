"""Datasets made of the examples, and their cards."""
