"""`python -m rkctl`."""

from rkctl.main import main

main()
