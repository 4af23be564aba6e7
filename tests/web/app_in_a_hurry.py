"""`app.py` that waits 2 seconds where it waits 15 to 60, and takes 8 bodies at a time where it takes 256:
so that a test can wait for it, and fill it.

    python app_in_a_hurry.py …    the options of app.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
WAITS = 2.0

if __name__ == "__main__":
    from mirror.web import retention
    from mirror.web.gateway import bodies, connection_limits

    retention.KEPT_SECONDS = 3.0
    bodies.PATIENCE_SECONDS = connection_limits.HEADERS_SECONDS = connection_limits.KEEP_ALIVE_SECONDS = (
        connection_limits.WRITE_SECONDS
    ) = WAITS
    bodies.PROTECTED_SECONDS, bodies.MAX_BODIES = 0.3, 8

    import app

    sys.exit(app.main())
