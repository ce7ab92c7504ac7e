"""The network: building, training and running it."""
