"""Runs checks in the order in which they are defined, and says how each went."""
import os
import sys
import time

_CHECKS = []


class Failed(Exception):
    """Something is not as expected; the message says what was expected and what was found."""


def check(title, vital=False):
    """Makes a function a check. If a vital one fails, those after it are not tried. What it returns is printed beside its title."""
    def register(function):
        _CHECKS.append((title, vital, function))
        return function
    return register


def expect(condition, message):
    """Fails with `message` unless `condition` holds."""
    if not condition:
        raise Failed(message)


def eventually(seconds, probe, every=0.1):
    """Calls `probe` until it does not fail; after `seconds` its last failure stands. Returns the seconds it took."""
    start = time.monotonic()
    while True:
        try:
            probe()
            return time.monotonic() - start
        except Failed as failed:
            if time.monotonic() - start > seconds:
                raise Failed(f"within {seconds} s: {failed}") from None
        time.sleep(every)


def steady(seconds, probe, every=1):
    """Expects `probe` to find the same for so long."""
    first, end = probe(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(every)
        now = probe()
        expect(now == first, f"{first} became {now}")
    return first


def run(diagnose=lambda: None):
    """Runs all checks, or with ONLY those that others need and those whose titles it is in; `diagnose` is called after a failure. Returns the
    exit code."""
    only = os.environ.get("ONLY", "")
    if not any(only in title for title, *_ in _CHECKS):
        sys.exit(f"ONLY={only} is in no title")
    wanted = [one for one in _CHECKS if one[1] or only in one[0]]
    passed, left = 0, list(wanted)
    while left:
        title, vital, function = left.pop(0)
        start = time.monotonic()
        try:
            detail = function()
        except Failed as failed:
            print(f"FAILED {title}\n       {failed}", flush=True)
            diagnose()
            if vital:
                for skipped, _, _ in left:
                    print(f"FAILED {skipped}\n       not tried, since it needs what failed before")
                break
        else:
            passed += 1
            print(f"ok     {title} ({time.monotonic() - start:.1f} s){f': {detail}' if detail else ''}", flush=True)
    print(f"{passed} passed, {len(wanted) - passed} failed")
    return 0 if passed == len(wanted) else 1
