"""Measures on collections in BEIR format."""
