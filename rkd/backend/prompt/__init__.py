"""What goes into an engine: templates, their sandbox, tokenizers."""
