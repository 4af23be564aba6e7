"""`python -m mirror`, or `mirror`: see mirror/cli."""

from typing import NoReturn

from mirror.command_process import run_program


def main() -> NoReturn:
    run_program("mirror.cli", "mirror: stopped.")


if __name__ == "__main__":
    main()
