"""Protocols are data: TOML files, strictly read."""
