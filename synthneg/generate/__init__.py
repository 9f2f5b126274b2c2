"""What the language model writes: queries, graded documents, hard negatives."""
