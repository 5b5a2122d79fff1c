"""rkctl: the command line of rkd."""
