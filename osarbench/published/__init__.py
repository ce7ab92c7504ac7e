"""Other people's results: read without running anything in them, checked, and their tables computed again."""
