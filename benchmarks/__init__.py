"""The protocols, one frozen TOML file each; `speed/` holds the performance benchmarks."""
