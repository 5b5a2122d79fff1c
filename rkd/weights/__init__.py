"""Headers of weights files, and what a model will cost."""
