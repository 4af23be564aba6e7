"""What several test files use: no test files themselves."""
