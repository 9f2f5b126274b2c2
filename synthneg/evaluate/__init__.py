"""Measure models on test collections: rank, score per query, intervals, and paired tests between models."""
