"""The seam to encoders: texts to unit vectors, kept once computed, and exact search over them."""
