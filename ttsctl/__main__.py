"""``python -m ttsctl``: the same as the console script."""

from ttsctl.cli.entry import run

if __name__ == "__main__":
    run()
