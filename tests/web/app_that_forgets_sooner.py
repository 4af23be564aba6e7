"""`app.py` with uploads kept for 3 seconds instead of 45, so that a test can wait for it.

    python app_that_forgets_sooner.py …    the options of app.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
KEPT = 3.0

if __name__ == "__main__":
    from mirror.web import retention

    retention.KEPT_SECONDS = KEPT

    import app

    sys.exit(app.main())
