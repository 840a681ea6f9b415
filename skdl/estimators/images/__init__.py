"""Networks for images and signals."""
