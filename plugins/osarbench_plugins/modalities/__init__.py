"""Built-in modalities: what is fed to a network."""
