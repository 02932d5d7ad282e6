"""How the three models were trained and their recipe found: ``python -m nbmerge.demo.train``, from a checkout only.

The wheel has the models and how they are measured, but not this.
"""
