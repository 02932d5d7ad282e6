"""What commands show, and how they are stopped: tables, reports, pictures, progress, JSON, Ctrl-C."""
