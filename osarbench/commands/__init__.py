"""The commands of the command line, a module for each family; the heavy imports are inside the functions."""
