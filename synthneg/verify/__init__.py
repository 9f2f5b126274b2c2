"""Checks, as pure functions of stored scores, and the verdicts they give."""
