#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""What the tests of some suites need: `needed_targets.py BUILD_DIRECTORY SUITE...` prints the files that ninja has to build for them.

`meson test` would build everything first.
"""

import json
import pathlib
import sys


def needed(build, suites):
    info = build / "meson-info"
    targets = {target["id"]: target["filename"] for target in json.loads((info / "intro-targets.json").read_text())}
    names = set()
    for test in json.loads((info / "intro-tests.json").read_text()):
        if any(suite.split(":")[-1] in suites for suite in test["suite"]):
            names.update(test["depends"])
    for name in sorted(names):
        for file in targets[name]:
            yield pathlib.Path(file).relative_to(build)


if __name__ == "__main__":
    for target in needed(pathlib.Path(sys.argv[1]).resolve(), set(sys.argv[2:])):
        print(target)
