"""From files to clips: which videos there are, their frames, and what a network is shown of them."""
