"""`python -m mirror`: see mirror/cli."""

from mirror.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
