"""Frame stores: where the frames of videos come from, each format in a module of its own."""
