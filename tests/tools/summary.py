#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Counts what a run of `meson test` did, test case by test case: `summary.py BUILD_DIR`.

A Catch2 program leaves its cases in tests/NAME.xml, a script that speaks TAP has a case for each of its lines, and any
other test is one case. Prints the names of what failed and of what was skipped, and as its last line the three sums.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ET

BAD = {"FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS"}


def catch2_cases(path):
    """(name, outcome) of each test case that the program finished."""
    try:
        tree = ET.parse(path).getroot()
    except ET.ParseError:  # the program died on its way
        return [(f"{path.stem}: {path.name} is cut off", "failed")]
    cases = []
    for case in tree.iter("TestCase"):
        result = case.find("OverallResult")
        outcome = "passed" if result.get("success") == "true" else "failed"
        if outcome == "passed" and int(result.get("skips", "0")) > 0:
            outcome = "skipped"
        cases.append((f"{path.stem}: {case.get('name')}", outcome))
    return cases


def tap_cases(suite, test):
    """(name, outcome) of each line of a script that speaks TAP, from Meson's own JUnit report."""
    outcomes = []
    for case in suite.iter("testcase"):
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        outcomes.append((f"{test}: {case.get('name')}", outcome))
    return outcomes


def cases_of(build):
    """(name, outcome) of everything that ran."""
    logs = build / "meson-logs"
    log = max(logs.glob("testlog*.json"), key=lambda path: path.stat().st_mtime)
    suites = {}
    for suite in ET.parse(log.with_suffix(".junit.xml")).getroot().iter("testsuite"):
        suites[suite.get("name").rpartition(" / ")[2]] = suite

    cases = []
    for line in log.read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        test = run["name"].rpartition(" / ")[2]
        report = build / "tests" / f"{test}.xml"
        if report.exists():
            own = catch2_cases(report)
        elif test in suites:
            own = tap_cases(suites[test], test)
        else:
            own = []
        failed = run["result"] in BAD
        if failed and not any(outcome == "failed" for _, outcome in own):
            own.append((f"{test}: {run['result'].lower()}", "failed"))  # a crash, a timeout, a sanitizer's report
        elif not own:
            own.append((test, "skipped" if run["result"] == "SKIP" else "passed"))
        cases += own
    return cases


def main(build):
    cases = cases_of(build)
    count = {outcome: sum(1 for _, found in cases if found == outcome) for outcome in ("passed", "failed", "skipped")}
    for outcome in ("skipped", "failed"):
        for name, found in cases:
            if found == outcome:
                print(f"{outcome}: {name}")
    print(", ".join(f"{number} {outcome}" for outcome, number in count.items()))
    return 1 if count["failed"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
