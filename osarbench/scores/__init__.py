"""The scores table and everything that is computed from it alone: metrics and statistics."""
