"""What a model can do on each backend and why not: one truth, for Show and for refusals."""
