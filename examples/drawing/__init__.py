"""Helpers of examples/draw.py: sculpt (volume), paint (brush), the birds, where they are, a pineapple and garments."""
