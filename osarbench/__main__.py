"""``python -m osarbench``."""

from osarbench.cli import main

main()
