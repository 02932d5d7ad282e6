"""The loops of single methods, or of a few that are alike."""
