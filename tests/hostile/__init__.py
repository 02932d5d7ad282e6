"""Hostile inputs: a generator of them, and what attacks the package with them."""
