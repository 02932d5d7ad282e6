"""The command line: the headless face of the same functions. One file per command or family of commands.

Importing this room costs milliseconds; each command imports what it needs when it runs.
"""

from nbmerge.cli.app import app, main

__all__ = ["app", "main"]
