"""The published set of garments."""
