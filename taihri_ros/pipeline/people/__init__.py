"""Several people: their tracks in 3D, ids that stay, and the choice of whom a command means."""
