"""Layers: all that is known of one kind of layer, in Keras and for a stack of members."""
