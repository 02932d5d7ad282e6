"""The setup of a merge: models, method, vocabulary and output, each as a form, and the bar that opens them.

A form has no widgets: it turns a state into the content of a view, and has the actions that the view sends. So the same
form serves a popover of the setup bar and a panel of its own.
"""
