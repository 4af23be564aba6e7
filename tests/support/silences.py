"""How long a command says nothing: `python -m tests.support.silences [--plain] COMMAND …`.

On a terminal of its own, or with --plain as in a log, it prints each silence of three seconds and more with the line
before it, and how long the command took. `--until TEXT` stops the command once it has printed that.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time

SILENCE_SECONDS = 3.0
LAST_SECONDS = 600.0  # from the last output to the end


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--until", metavar="TEXT")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it was started in the background
    near, far = os.pipe() if options.plain else pty.openpty()
    if not options.plain:
        termios.tcsetwinsize(far, (24, 100))  # of no size there would be no bars
    begun = last = time.monotonic()
    child = subprocess.Popen(options.command, stdin=subprocess.DEVNULL, stdout=far, stderr=far, start_new_session=True)
    os.close(far)
    line, silences, all_text = "(start)", [], ""
    while True:
        try:
            got = os.read(near, 65536)
        except OSError:  # a terminal whose last user is gone
            got = b""
        now = time.monotonic()
        if now - last >= SILENCE_SECONDS:
            silences.append((now - last, line))
        last = now
        text = got.decode(errors="replace")
        all_text = (all_text + text)[-10_000:]
        line = next((part.strip() for part in reversed(re.split(r"[\r\n]", text)) if part.strip()), line)
        sys.stdout.write(text)
        if not got:
            break
        if options.until and options.until in all_text:
            os.killpg(child.pid, signal.SIGINT)
            options.until = None
    code = child.wait(LAST_SECONDS)
    print(f"\n{time.monotonic() - begun:.1f} s, exit code {code}; silences of {SILENCE_SECONDS:.0f} s and more:")
    for seconds, before in silences:
        print(f"{seconds:6.1f} s after: {before[:150]}")
    return code


if __name__ == "__main__":
    sys.exit(main())
