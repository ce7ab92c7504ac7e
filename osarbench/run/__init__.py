"""From a protocol to scores: what a run is asked for, its steps, and how they are executed."""
