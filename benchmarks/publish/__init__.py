"""What publishing sends and what a Space must install."""
