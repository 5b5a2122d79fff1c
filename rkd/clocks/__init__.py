"""`rkd-clocks`: governors up while a model answers; a program with rights of its own."""
