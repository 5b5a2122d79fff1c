"""Several boards at once: who they are, what each says, where a model fits, a proxy before them."""
