"""Entries that are published, and the pages that are rendered from them."""
