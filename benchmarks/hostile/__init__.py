"""What strangers send, and how the program ends."""
