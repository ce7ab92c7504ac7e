"""Boards in the formats of others: Hugging Face, Every Eval Ever, Croissant, CSV and LaTeX."""
