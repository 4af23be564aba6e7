"""Two words → photos → a judged image classifier that app.py serves: `python train.py --help`.

The settings, each with its reason, and the recipe: mirror/cli/train.py.
"""

from mirror.cli.train import main

if __name__ == "__main__":
    raise SystemExit(main())
