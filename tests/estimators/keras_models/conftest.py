"""What pytest leaves alone here: a notebook that a test runs with its imports changed."""

collect_ignore = ["notebook_of_scikeras.py"]
