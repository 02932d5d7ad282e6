"""Analyses in the Studio: the work that computes them, and their panels in the drawer.

`work` is shared with the rows of the Tracks panel that show analyses by layer.
"""
