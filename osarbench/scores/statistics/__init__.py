"""Several scores tables: how sure a number is, and whether two methods differ.

`intervals.interval` for one table, `paired.compare` and `paired.tied_ranks` for several on the same videos.
"""
