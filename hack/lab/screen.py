"""A table that stays below what is said: redrawn in place on a terminal, a line per change elsewhere."""

import os
import shutil
import sys
import time

_TERMINAL = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def bold(text):
    return f"\x1b[1m{text}\x1b[0m" if _TERMINAL else text


def verdict(good):
    word = "PASS" if good else "FAIL"
    return f"\x1b[{32 if good else 31};1m{word}\x1b[0m" if _TERMINAL else word


class Screen:
    """`table` is called for the lines to show."""

    INTERVAL_S = 0.25 if _TERMINAL else 1.0

    def __init__(self, table):
        self._table = table
        self._drawn = 0  # lines of the table on the screen
        self._last = []
        self._at = 0.0

    def say(self, text):
        self._erase()
        print(text, flush=True)
        self._at = 0.0

    def refresh(self):
        """Shows the table if it is time to."""
        if time.monotonic() - self._at < self.INTERVAL_S:
            return
        self._at = time.monotonic()
        lines = self._table()
        if _TERMINAL:
            self._erase()
            width = shutil.get_terminal_size().columns
            for line in lines:
                print(line[:width - 1])
            self._drawn = len(lines)
            sys.stdout.flush()
        elif lines != self._last:
            for line in lines[1:]:  # without the head
                if line not in self._last:
                    print(f"    {' '.join(line.split())}", flush=True)
        self._last = lines

    def close(self):
        """What is on the screen stays there."""
        self._drawn = 0

    def _erase(self):
        if self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="")
            self._drawn = 0
