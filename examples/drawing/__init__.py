"""Helpers of examples/draw.py: sculpt (volume), paint (brush), the birds, their surroundings and a pineapple."""
