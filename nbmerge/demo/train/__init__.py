"""Training of the three models and search for their recipe: ``python -m nbmerge.demo.train``, in a checkout only.

The wheel has the models and the measurement of their skills, but not this package.
"""
