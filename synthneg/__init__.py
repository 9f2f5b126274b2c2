"""Turn documents into training data for retrieval with an LLM; measure what the data is worth."""

__version__ = "0.1.0"
