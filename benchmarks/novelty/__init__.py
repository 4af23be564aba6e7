"""None of these: scores and thresholds."""
