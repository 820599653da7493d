"""The demo: the node and its engine on the simulated robot camera, commanded, and measured against the truth."""
