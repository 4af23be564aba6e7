"""The page and its models: how fast, how exact, how well explained."""
