"""What is found in the corpus with vectors, for what the language model then writes."""
