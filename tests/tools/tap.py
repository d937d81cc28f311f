# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""What the scripts with several checks have in common: each check is a TAP test, and yields what it complains of."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(checks):
    """Runs the checks on the directory that the command line names, or on this repository; the exit status."""
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    bad = 0
    print(f"1..{len(checks)}")
    for number, check in enumerate(checks, 1):
        complaints = list(check(root))
        bad += bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} {number} - {check.__name__.replace('_', ' ')}")
        for complaint in complaints:  # not as TAP's comments, which Meson hides
            print(complaint, file=sys.stderr)
    return 1 if bad else 0
