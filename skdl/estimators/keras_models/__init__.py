"""The user's own Keras models, by the conventions of SciKeras."""
