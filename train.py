"""Two words → photos → a judged image classifier that app.py serves: `python train.py --help`.

The settings, each with its reason, and the recipe: mirror/cli/train.py.
"""

from mirror.command_process import run_program

if __name__ == "__main__":
    run_program("mirror.cli.train", "train.py: stopped; the same command goes on from here.")
