"""What is wrong with data before anything is computed from it."""
