"""Two words → photos → a judged image classifier that app.py serves: `python train.py --help`.

The settings, each with its reason, and the recipe: mirror/cli/train.py.
"""

import sys

if __name__ == "__main__":
    try:
        from mirror.cli.train import main

        code = main()
    except KeyboardInterrupt:  # while it is imported
        print("train.py: stopped; the same command goes on from here.", file=sys.stderr)
        code = 130
    raise SystemExit(code)
