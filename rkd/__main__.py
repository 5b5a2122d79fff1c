"""`python -m rkd` is `rkd`."""

from __future__ import annotations

import sys

from rkd.daemon.main import main

sys.exit(main())
