"""The command line: the functions of the package as commands. One file per command or family of commands.

Importing this package takes milliseconds; each command imports what it needs when it runs.
"""

from nbmerge.cli.app import app, main

__all__ = ["app", "main"]
