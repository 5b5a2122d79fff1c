"""The machine rkd runs on: what it is, how it is doing, and whether its NPU can be used."""
