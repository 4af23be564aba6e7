"""Training, and what is said of labels and duplicates."""
