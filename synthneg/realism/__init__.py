"""Are generated queries like real ones: lengths, kinds, words and vectors of two sets of texts side by side."""
