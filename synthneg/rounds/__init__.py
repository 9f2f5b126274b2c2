"""Further rounds: what the tuned model fails, and the settings of a run that asks for more of it."""
