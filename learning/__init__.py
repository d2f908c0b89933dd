"""What a network learns: plasticity and learning rules on top of `physics` and `neurojax`."""
