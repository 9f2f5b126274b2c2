"""The seam to encoders: vectors, their cache, exact search."""
