"""Folders of any size."""
