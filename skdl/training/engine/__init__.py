"""Engine: stacks of members, and the compiled programs that train them."""
