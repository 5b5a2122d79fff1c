"""`python -m rkd_gateway`."""

from __future__ import annotations

import sys

from rkd_gateway.main import main

if __name__ == "__main__":
    sys.exit(main())
