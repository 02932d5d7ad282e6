"""``python -m nbmerge``."""

from nbmerge.cli import main

main()
