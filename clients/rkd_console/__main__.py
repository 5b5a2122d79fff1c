"""`python -m rkd_console`."""

from __future__ import annotations

import sys

from rkd_console.main import main

if __name__ == "__main__":
    sys.exit(main())
