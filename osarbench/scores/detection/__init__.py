"""Actors in boxes: tables of boxes in AVA's form, and their metrics. Nothing here needs a network or a GPU."""
