"""What llama.cpp's server answers besides OpenAI's paths, for those that read it."""
