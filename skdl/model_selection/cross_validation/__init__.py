"""Cross-validation in lockstep, with intervals, a baseline and training curves."""
