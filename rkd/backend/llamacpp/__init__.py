"""llama.cpp on the CPU: in this process, or a native llama-server under it."""
