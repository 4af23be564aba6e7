"""`python -m mirror`: see mirror/cli."""

import sys

if __name__ == "__main__":
    try:
        from mirror.cli import main

        code = main()
    except KeyboardInterrupt:  # while it is imported
        print("mirror: stopped.", file=sys.stderr)
        code = 130
    raise SystemExit(code)
