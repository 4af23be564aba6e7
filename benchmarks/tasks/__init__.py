"""The other ways of seeing."""
