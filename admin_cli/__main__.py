"""Where `siaran` and `python -m admin_cli` begin: before anything that takes time is imported."""

import sys

INTERRUPTED = 130


def start() -> int:
    """Run the process's command line; a Ctrl-C while it is being loaded is no error either."""
    try:
        from admin_cli.main import main

        return main()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(start())
