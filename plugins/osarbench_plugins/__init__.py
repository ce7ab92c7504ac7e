"""The built-in plugins: one file one plugin, found by walking these three folders."""
