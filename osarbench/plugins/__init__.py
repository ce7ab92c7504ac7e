"""Finding plugins: the built-in folder, installed packages and single files; their names and their settings."""
