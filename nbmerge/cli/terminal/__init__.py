"""Output of commands in the terminal: tables, reports, plots, progress, JSON; and Ctrl-C."""
