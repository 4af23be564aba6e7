"""`app.py` where gradio takes one made-up public name for this machine, as if a stranger had a server there.

python app_with_a_stand_in.py …    the options of app.py
"""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY))
EVIL = "evil.test"

if __name__ == "__main__":
    import safehttpx

    public = safehttpx.async_validate_url

    async def validate(hostname: str) -> str:
        return "127.0.0.1" if hostname == EVIL else await public(hostname)

    safehttpx.async_validate_url = validate

    import app

    sys.exit(app.main())
