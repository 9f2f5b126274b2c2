"""Two prompts given the same passages, and what can be said of the difference."""
