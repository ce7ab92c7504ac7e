"""``python -m osarbench``."""

from osarbench.cli import program

if __name__ == "__main__":
    program()
