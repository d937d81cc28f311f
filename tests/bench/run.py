#!/usr/bin/env python3
# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""Measures the library against BoringSSL's own calls, and over Asio against asio::ssl::stream; holds it against its budgets.

    run.py BUILD_DIR [SECTION...]   all sections, or some of: instructions calls heap trust seconds compile asio_instructions asio_calls
                                    asio_heap asio_seconds

What does not depend on the clock is a gate: the exit status is 1 if one is over its limit. The rest is reported beside it.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
TIMEOUT = 300  # seconds, for any one program

# glibc's memcpy and memset use `rep movsb` and `rep stosb` for large blocks on some processors, and valgrind counts these by the byte: as
# many instructions as bytes, where the processor has one. Without them a copy of 16 KiB is some hundred instructions. The gates are on
# counts without, but for the one that is about copying.
REP_OFF = "glibc.cpu.x86_rep_movsb_threshold=100000000:glibc.cpu.x86_rep_stosb_threshold=100000000"
NO_MALLOC_CACHE = "glibc.malloc.tcache_count=0"


def run(command, tunables="", **options):
    environment = {**os.environ, "GLIBC_TUNABLES": tunables}
    return subprocess.run(command, env=environment, check=True, text=True, timeout=TIMEOUT, stdout=subprocess.PIPE, **options).stdout


class Row:
    """One line of a table: what ours is compared with, perhaps another for comparison, ours. `limit` is on the ratio, or with `absolute`
    on the value; no limit: told for comparison."""

    def __init__(self, name, *values, limit=None, gate=True, absolute=False):
        self.name, self.values, self.limit, self.gate, self.absolute = name, values, limit, gate, absolute

    @property
    def ratio(self):
        return self.values[-1] / self.values[0]

    @property
    def over(self):
        return self.limit is not None and (self.values[-1] if self.absolute else self.ratio) > self.limit

    def __str__(self):
        limit = "" if self.limit is None else f"{self.limit:,g}" if self.absolute else f"{self.limit:.2f}"
        kind = "report" if self.limit is None else "gate" if self.gate else "aim"
        verdict = "" if self.limit is None else ("OVER" if self.over else "ok") if self.gate else "missed" if self.over else "met"
        return line(self.name, *map(value, self.values), f"{self.ratio:.3f}", limit) + f"  {kind:<7}{verdict}"


def line(name, *cells):
    """The cells of a line: values, which share 26 characters more than the name, the ratio and the limit."""
    *values, ratio, limit = cells
    return f"{name:<{88 - 13 * len(values)}}" + "".join(f"{cell:>13}" for cell in values) + f"{ratio:>8}{limit:>7}"


def value(number):
    if number is None:
        return "-"
    return f"{number:,.3f}" if number < 10 and number != int(number) else f"{number:,.0f}"


# --- Instructions ----------------------------------------------------------------------------------------------------


class Instructions:
    """Instructions per turn of a piece of work: the difference of a long and a short run of it."""

    def __init__(self, work):
        self.work = work

    def of_run(self, arguments, tunables):
        with tempfile.TemporaryDirectory() as scratch:
            out = pathlib.Path(scratch) / "out"
            run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", self.work, *arguments], tunables,
                stderr=subprocess.DEVNULL)
            return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE).group(1))

    def per_turn(self, arguments, short, long, tunables):
        counts = [self.of_run([*arguments, str(turns)], tunables) for turns in (short, long)]
        return (counts[1] - counts[0]) / (long - short)


def instruction_rows(build):
    measure = Instructions(build / "tests/bench/work")
    kinds = [  # name, arguments before and after the end's name, turns (short, long), what a turn is of the unit, limits
        ("instructions per MiB, 16 KiB writes", "transfer", ["16384"], (256, 1024), 64, {"stream": 1.03, "engine": 1.40}),
        ("instructions per 64 B write and read", "transfer", ["64"], (2000, 22000), 1, {"stream": 1.05, "engine": 1.20}),
        ("instructions per MiB, 64 KiB writes", "transfer", ["65536"], (64, 256), 16, {"stream": 1.15, "engine": 1.45}),
        ("instructions per full handshake, both sides", "handshake", [], (20, 100), 1, {"stream": 1.02}),
        ("instructions per resumed handshake, both sides", "resumed", [], (20, 100), 1, {"stream": 1.02}),
    ]
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, what, size, (short, long), factor, limits in kinds:
            for tunables in (REP_OFF, ""):
                for end in ["raw", *limits]:
                    jobs[name, tunables, end] = pool.submit(measure.per_turn, [what, end, *size], short, long, tunables)
    for name, _, _, _, factor, limits in kinds:
        for end, limit in limits.items():
            for tunables in (REP_OFF, ""):
                raw, ours = (factor * jobs[name, tunables, which].result() for which in ("raw", end))
                if tunables:
                    yield Row(f"{name}, {end}", raw, ours, limit=limit)
                else:
                    yield Row("    as valgrind counts by default", raw, ours)


# --- System calls, memory, time --------------------------------------------------------------------------------------


def call_rows(build):
    size, count = 256 << 10, 64
    counts = {end: [int(n) * MIB / (size * count) for n in run([build / "tests/bench/calls", end, str(size), str(count)]).split()]
              for end in ("raw", "stream")}
    if counts["raw"] != [64, 128]:  # one call for each record's writing, two for its reading
        raise SystemExit(f"run.py: the raw loop's calls were not counted right: {counts['raw']}")
    for what, limit, raw, ours in zip(("send", "receive"), (16, 68), counts["raw"], counts["stream"]):
        yield Row(f"{what} calls per MiB, 256 KiB writes, socketpair, stream", raw, ours, limit=limit, absolute=True)


def heap_rows(build):
    sides = {end: [int(n) for n in run([build / "tests/bench/heap", end, "200"], NO_MALLOC_CACHE).split()]
             for end in ("raw", "stream", "engine")}
    for end, gate in (("stream", True), ("engine", False)):
        for number, side in enumerate(("server's side", "client's side")):
            yield Row(f"heap per idle connection, bytes, {end}, {side}", sides["raw"][number], sides[end][number],
                      limit=1, gate=gate)
        yield Row(f"heap per idle connection, bytes, {end}, average",
                  statistics.mean(sides["raw"]), statistics.mean(sides[end]), limit=1, gate=gate)


def trust_rows(build):
    """Many authorities are loaded once; who makes a stream, or another context, does not pay for them."""
    few, many = ([float(n) for n in run([build / "tests/bench/trust", count], NO_MALLOC_CACHE).split()] for count in ("1", "10000"))
    names = ("trust store and first context", "further context", "stream")
    for name, one, ten_thousand in zip(names, few[:3], many[:3]):
        # A few bytes either way are malloc's.
        limit = None if name == names[0] else 1.01
        yield Row(f"heap for a {name}, bytes, 10,000 authorities against 1", one, ten_thousand, limit=limit)
    for name, one, ten_thousand in zip(names, few[3:], many[3:]):
        yield Row(f"CPU microseconds for a {name}, 10,000 authorities against 1", one * 1e6, ten_thousand * 1e6)


def second_rows(build):
    """The least of runs in turn: what else the machine does only adds to it."""
    for kind, count in (("handshake", 300), ("resumed", 300)):
        rates = {"raw": [], "stream": []}
        for _ in range(5):
            for end, all_of_it in rates.items():
                measured = run([build / "tests/bench/work", "rate", end, kind, str(count)])
                all_of_it.append(float(measured) * 1e6 / count)
        what = "full" if kind == "handshake" else "resumed"
        yield Row(f"CPU microseconds per {what} handshake, both sides, stream", *(min(all_of_it) for all_of_it in rates.values()),
                  limit=1.02, gate=False)
    size, count = 256 << 10, 2048
    seconds = {"raw": [], "stream": []}
    for _ in range(5):
        for end, all_of_it in seconds.items():
            measured = run([build / "tests/bench/work", "seconds", end, str(size), str(count)])
            all_of_it.append(float(measured) * 1e9 / (size * count))
    yield Row("CPU seconds per GB, 256 KiB writes, TCP, stream", *(min(all_of_it) for all_of_it in seconds.values()),
              limit=0.80, gate=False)


# --- What there is to compile ----------------------------------------------------------------------------------------


def compile_command(build, source):
    """How this build compiles a file, without the output and what writes dependencies beside it."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if pathlib.Path(entry["file"]).name == source:
            words = shlex.split(entry["command"])
            for option in ("-o", "-MF", "-MQ"):
                if option in words:
                    del words[words.index(option):words.index(option) + 2]
            path = str((pathlib.Path(entry["directory"]) / entry["file"]).resolve())
            dropped = {"-c", "-MD", "ccache", entry["file"]}
            return [word for word in words if word not in dropped], path, entry["directory"]
    raise SystemExit(f"run.py: {build}/compile_commands.json does not have {source}")


def standard_headers(compiler, path, directory):
    """Which headers of the standard and of the system the library's own include, for this source."""
    text = run([*compiler, "-M", path], cwd=directory).replace("\\\n", " ")
    own = [name for name in text.split()[1:] if "/include/tls/" in name]
    named = set()
    for name in [path, *own]:
        for header in re.findall(r"^#include <([^>]+)>", (pathlib.Path(directory) / name).read_text(encoding="utf-8"), re.MULTILINE):
            if not header.startswith(("tls/", "openssl/")):
                named.add(header)
    return sorted(named)


def compile_rows(build):
    """BoringSSL's own calls with the standard headers that ours brings and with those alone that they need, asio::ssl, ours."""
    compiler, ours, directory = compile_command(build, "hello.cpp")
    _, raw, _ = compile_command(build, "hello_raw.cpp")
    _, asio, _ = compile_command(build, "hello_asio.cpp")
    with tempfile.TemporaryDirectory() as scratch:
        same, result = pathlib.Path(scratch) / "same.hpp", pathlib.Path(scratch) / "result"
        same.write_text("".join(f"#include <{name}>\n" for name in standard_headers(compiler, ours, directory)), encoding="utf-8")
        commands = [[*compiler, "-include", same, raw], [*compiler, raw], [*compiler, asio], [*compiler, ours]]
        lines = [run([*command, "-E", "-P"], cwd=directory).count("\n") for command in commands]
        yield Row("preprocessed lines", *lines, limit=1.3)

        seconds = [[] for _ in commands]
        for _ in range(3):
            for command, measured in zip(commands, seconds):
                before = os.times()
                run([*command, "-c", "-o", result], cwd=directory)
                after = os.times()
                measured.append(after.children_user + after.children_system - before.children_user - before.children_system)
        yield Row("seconds to compile", *map(min, seconds), limit=2.5, gate=False)

        def stripped(program):
            run(["strip", "-o", result, build / "tests/bench" / program])
            return result.stat().st_size

        yield Row("bytes of the program, stripped", stripped("hello_raw"), None, stripped("hello_asio"), stripped("hello"))


# --- Over Asio -------------------------------------------------------------------------------------------------------


class OverAsio:
    """The programs over Asio, and what asio::ssl::stream is called in them: with its own buffers, and with larger ones."""

    def __init__(self, build):
        self.directory = build / "tests/bench"
        tuned = self.numbers("asio_calls", "tuned", 1024, 1) is not None
        self.ends = ["asio", *(["tuned"] if tuned else []), "ours"]

    def numbers(self, program, *arguments, tunables=""):
        """What the program prints; None where this version of Asio does not have what it measures."""
        said = run([self.directory / program, *map(str, arguments)], tunables)
        return None if said == "unavailable\n" else [float(number) for number in said.split()]

    def in_turn(self, measure):
        """measure(end) of asio, tuned, ours; None for what is not there."""
        return [measure(end) if end in self.ends else None for end in ("asio", "tuned", "ours")]


def asio_instruction_rows(build):
    asio = OverAsio(build)
    measure = Instructions(build / "tests/bench/asio_work")
    kinds = [  # name, arguments before and after the end's name, turns (short, long), how many are the unit, limits on both countings
        ("instructions per MiB, 256 KiB writes", "transfer", ["262144", "1"], (16, 80), 4, (0.95, 0.70)),
        ("instructions per MiB, 16 KiB writes", "transfer", ["16384", "1"], (256, 1024), 64, (1.00, 1.00)),
        ("instructions per MiB, 1 KiB writes", "transfer", ["1024", "1"], (1024, 5120), 1024, (None, None)),
        ("instructions per MiB, writes of 64 times 256 B", "transfer", ["16384", "64"], (128, 512), 64, (None, None)),
        ("instructions per connection and close", "handshake", [], (20, 100), 1, (None, None)),
    ]
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, what, size, (short, long), _, _ in kinds:
            for tunables in (REP_OFF, ""):
                for end in asio.ends:
                    jobs[name, tunables, end] = pool.submit(measure.per_turn, [what, end, *size], short, long, tunables)
    # Does valgrind's processor have what it counts by the byte?
    large = kinds[0][0]
    counts_bytes = jobs[large, "", "asio"].result() > 1.2 * jobs[large, REP_OFF, "asio"].result()
    for name, _, _, _, factor, limits in kinds:
        for tunables, told, limit in zip((REP_OFF, ""), (name, "    as valgrind counts by default"), limits):
            counts = asio.in_turn(lambda end: factor * jobs[name, tunables, end].result())
            yield Row(told, *counts, limit=limit, gate=bool(tunables) or counts_bytes)


def asio_call_rows(build):
    asio = OverAsio(build)
    size, short, long = 256 << 10, 16, 272

    def per_mib(end):
        counts = [asio.numbers("asio_calls", end, size, turns) for turns in (short, long)]
        return [(most - least) * MIB / (size * (long - short)) for least, most in zip(*counts)]

    counts = asio.in_turn(per_mib)
    for number, what in enumerate(("send", "receive", "epoll")):
        yield Row(f"{what} calls per MiB, 256 KiB writes", *(end and end[number] for end in counts))
    yield Row("system calls per MiB, 256 KiB writes", *(end and sum(end) for end in counts))


def asio_heap_rows(build):
    """Beside what a socket of Asio's own has on the heap, it too with a read outstanding."""
    asio = OverAsio(build)
    plain = asio.numbers("asio_heap", "plain", 200, tunables=NO_MALLOC_CACHE)

    def sides(end):
        both = asio.numbers("asio_heap", end, 200, tunables=NO_MALLOC_CACHE)
        return [side - without for side, without in zip(both, plain)]

    found = asio.in_turn(sides)
    for number, side in enumerate(("server's side", "client's side")):
        yield Row(f"heap per idle connection, bytes, {side}", *(end and end[number] for end in found))
    yield Row("heap per idle connection, bytes, average", *(end and statistics.mean(end) for end in found), limit=7000, absolute=True)


def asio_second_rows(build):
    """The least of runs in turn, as in second_rows."""
    asio = OverAsio(build)
    size, count = 256 << 10, 2048
    seconds = {end: [] for end in asio.ends}
    for _ in range(5):
        for end, all_of_it in seconds.items():
            measured, = asio.numbers("asio_work", "seconds", end, size, 1, count)
            all_of_it.append(measured * 1e9 / (size * count))
    least = asio.in_turn(lambda end: min(seconds[end]))
    yield Row("CPU seconds per GB, 256 KiB writes", *least, limit=0.75, gate=False)
    if "tuned" in asio.ends:
        yield Row("    against larger buffers", least[1], least[2], limit=1.00, gate=False)


# --- The tables ------------------------------------------------------------------------------------------------------


def raw_head(_):
    return line("", "raw", "ours", "ratio", "limit")


def compile_head(build):
    compiler, *_ = compile_command(build, "hello.cpp")
    level = next(word for word in compiler if word.startswith("-O"))
    return "\n" + line(f"a hello-TLS file, {level}", "same headers", "own headers", "asio::ssl", "ours", "ratio", "limit")


def asio_head(build):
    version = run([build / "tests/bench/asio_work", "version"]).strip()
    return "\n" + line(f"over Asio {version}, TCP, one thread", "asio::ssl", "68 KiB", "ours", "ratio", "limit")


TABLES = {
    raw_head: {
        "instructions": instruction_rows,
        "calls": call_rows,
        "heap": heap_rows,
        "trust": trust_rows,
        "seconds": second_rows,
    },
    compile_head: {
        "compile": compile_rows,
    },
    asio_head: {
        "asio_instructions": asio_instruction_rows,
        "asio_calls": asio_call_rows,
        "asio_heap": asio_heap_rows,
        "asio_seconds": asio_second_rows,
    },
}


def main(build, words):
    build = pathlib.Path(build).resolve()
    names = [name for sections in TABLES.values() for name in sections]
    unknown = [word for word in words if word not in names]
    if unknown:
        raise SystemExit(f"run.py: no such section: {unknown[0]}; there are: {', '.join(names)}")
    began = time.monotonic()
    rows = []
    for head, sections in TABLES.items():
        wanted = [section for name, section in sections.items() if not words or name in words]
        if wanted:
            print(head(build), flush=True)
        for section in wanted:
            for row in section(build):
                print(row, flush=True)
                rows.append(row)
    gates = [row for row in rows if row.gate and row.limit is not None]
    failed = sum(row.over for row in gates)
    print(f"{time.monotonic() - began:.0f} seconds")
    print(f"{len(gates) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
