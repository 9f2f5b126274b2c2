"""The seam to language models: backends, the ledger of replies, and asking."""
