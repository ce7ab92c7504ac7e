"""``python -m osarbench``."""

from osarbench.cli import main

if __name__ == "__main__":
    main()
