# SPDX-FileCopyrightText: The tls-stream authors
# SPDX-License-Identifier: BSL-1.0
"""What the tests with other programs share: processes and their clean-up, ports, our own end, and what to hold it against.

Everything lies in a directory of the run's own and every port is chosen by the system, so that runs go on side by side.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

PATIENCE = 30  # seconds until something that should have happened has failed
VERSIONS = ("1.2", "1.3")
SIZE = 1_000_003  # bytes of a long message: many records, and the last one is not full

os.environ["PATH"] += os.pathsep + "/usr/sbin"  # Debian has nginx there, and gives only root that path

CLEAN = {"close_notify_sent": True, "transport_shut_down": True, "peer": "close_notify", "timed_out": False,
         "limit_reached": False, "discarded": 0, "clean": True}


def numbered_lines(size):
    """What the driver's send=SIZE sends: text in which every line differs, and which no program takes for a command."""
    return b"".join(b"%07d\n" % i for i in range(size // 8 + 1))[:size]


class Skip(Exception):
    """Why a case cannot be tried here."""


def check(truth, what):
    if not truth:
        raise AssertionError(what() if callable(what) else what)


def check_equal(found, wanted, what):
    check(found == wanted, f"{what}: {shortened(found)}, and should be {shortened(wanted)}")


def check_found(pattern, text, what):
    check(re.search(pattern, text, re.MULTILINE), lambda: f"{what}: no {pattern!r} in\n{shortened(text, 3000)}")


def shortened(value, most=200):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]} ({len(value)} in all)"


def wait_until(condition, what):
    """Waits for something that another process does; `condition` is looked at again and again."""
    end = time.monotonic() + PATIENCE
    while True:
        result = condition()
        if result:
            return result
        check(time.monotonic() < end, lambda: f"waited in vain: {what() if callable(what) else what}")
        time.sleep(0.005)


def free_port():
    """A port that was free just now, for programs that cannot let the system choose."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening_port(pid):
    """The TCP port that process `pid` itself listens on, or None. Looking does not disturb it, as connecting would."""
    try:
        handles = {os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")}
        for table in ("tcp", "tcp6"):
            for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                field = line.split()
                if field[3] == "0A" and f"socket:[{field[9]}]" in handles:
                    return int(field[1].rpartition(":")[2], 16)
    except FileNotFoundError:
        pass
    return None


class Process:
    """A program that runs; what it prints goes to files, so that it never waits for a reader."""

    def __init__(self, work, command, environment=None):
        self.command = [str(word) for word in command]
        self.name = pathlib.Path(self.command[0]).name
        self.out_path, self.err_path = work.new_file(f"{self.name}.out"), work.new_file(f"{self.name}.err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=out, stderr=err, bufsize=0,
                                            cwd=work.directory, env={**os.environ, "LC_ALL": "C", **(environment or {})})
        work.processes.append(self)

    @property
    def out(self):
        return self.out_path.read_bytes()

    @property
    def log(self):
        return (self.out + self.err_path.read_bytes()).decode(errors="replace")

    def write(self, data):
        self.process.stdin.write(data)

    def end_of_input(self):
        self.process.stdin.close()

    def port(self):
        """Waits until the program listens, and says where."""
        def look():
            check(self.process.poll() is None, lambda: f"{self.name} did not start:\n{self.log}")
            return listening_port(self.process.pid)
        return wait_until(look, lambda: f"{self.name} to listen:\n{self.log}")

    def wait_for(self, pattern):
        """Waits until the program has printed this."""
        wait_until(lambda: re.search(pattern, self.log, re.MULTILINE), lambda: f"{pattern!r} in\n{shortened(self.log, 3000)}")

    def status(self):
        """Waits for the program's end, and says how it ended."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end:\n{shortened(self.log, 3000)}") from None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.process.stdin.closed:
            self.process.stdin.close()


class Ours(Process):
    """Our end of a connection."""

    def __init__(self, work, role, steps, options):
        self.received_path = work.new_file("received")
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        words = [part for word in words for part in word.split("=", 1)]
        super().__init__(work, [work.driver, role, *words, "--received", self.received_path, *steps])

    def outcomes(self):
        """Waits for the end, and returns what the driver tells of each connection."""
        status = self.status()
        check(status in (0, 1), lambda: f"the driver ended with {status}:\n{self.log}")
        return [json.loads(line) for line in self.out.decode().splitlines() if line.startswith('{"version')]

    def outcome(self):
        """The same of the last one; "received" is what was received itself."""
        told = self.outcomes()[-1]
        told["received"] = self.received_path.read_bytes()
        return told


class Work:
    """One test's surroundings: a directory of its own, in which its processes run, and one that all tests of a run share.
    Leaving it ends every process."""

    def __init__(self, driver, shared, name, example=None):
        self.driver = driver
        self.example = example
        self.shared = shared
        self.directory = shared / name
        self.directory.mkdir()
        self.pki = shared / "pki"
        if not self.pki.exists():
            self.pki.mkdir()
            subprocess.run([driver, "pki", self.pki], check=True)
        self.processes = []
        self.files = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stop()
        self.processes.clear()

    def new_file(self, name):
        self.files += 1
        return self.directory / f"{self.files:03}.{name}"

    def start(self, *command, environment=None):
        return Process(self, command, environment)

    def start_example_server(self):
        """The example that is tested, with the identity that the others have."""
        return self.start(self.example, "--cert", self.pki / "server.pem", "--key", self.pki / "server.key")

    def start_server(self, *command, prepare=lambda port: None):
        """A server that must be told its port: PORT in `command`, and what prepare(port) makes of it. Another program may take the
        port first; then again with another."""
        for _ in range(10):
            port = free_port()
            prepare(port)
            server = self.start(*[str(word).replace("PORT", str(port)) for word in command])
            wait_until(lambda: server.process.poll() is not None or listening_port(server.process.pid) == port,
                       lambda: f"{server.name} to listen:\n{server.log}")
            if server.process.poll() is None:
                server.chosen_port = port
                return server
            check("use" in server.log, lambda: f"{server.name} did not start:\n{server.log}")
        raise AssertionError(f"{server.name} found no port:\n{server.log}")

    def our_client(self, port, *steps, **options):
        """Connects and takes the steps; returns the outcome."""
        return self.start_our_client(port, *steps, **options).outcome()

    def start_our_client(self, port, *steps, **options):
        return Ours(self, "client", steps, {"port": port, "ca": self.pki / "ca.pem", **options})

    def our_server(self, *steps, identity="server", **options):
        """Starts to listen; the connection is served when it comes. port() says where, outcome() what came of it."""
        return Ours(self, "server", steps,
                    {"cert": self.pki / f"{identity}.pem", "key": self.pki / f"{identity}.key", **options})


def only(version):
    """The options that leave one version."""
    return {"min": version, "max": version}


def check_clean(outcome, version=None, received=None, sent=None):
    """Nothing went wrong, close_notify went both ways, and nothing is missing."""
    check_equal(outcome["error"], None, "our error")
    check_equal(outcome["read_end"], "close_notify", "the end that we read")
    check_equal({key: outcome["closing"][key] for key in CLEAN}, CLEAN, "our closing")
    if version is not None:
        check_equal(outcome["version"], f"TLSv{version}", "the version")
    if received is not None:
        check_equal(outcome["received"], received, "what we received")
    if sent is not None:
        check_equal(outcome["sent"], sent, "what we sent")


def check_error(outcome, category, value, step=None):
    """The first error was this one; None is any value of that category."""
    error = outcome["error"]
    check(error is not None, lambda: f"there was no error: {shortened(outcome)}")
    check_equal(error["category"], category, f"the error's category ({error['message']})")
    if value is not None:
        check_equal(error["value"], value, f"the error's value ({error['message']})")
    if step is not None:
        check_equal(error["step"], step, "the step that failed")


def check_told(outcome, **wanted):
    """Nothing went wrong, and these are so."""
    check_equal(outcome["error"], None, "our error")
    for name, value in wanted.items():
        check_equal(outcome[name], value, name.replace("_", " "))


def run(work, *command, data=b""):
    """Runs a program to its end, which must be a good one, in the test's directory; returns what it wrote."""
    done = subprocess.run([str(word) for word in command], input=data, capture_output=True, check=False, cwd=work.directory)
    check(done.returncode == 0, lambda: f"{command[0]} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def needs(*whys):
    """Skips the case for the first reason that there is."""
    for why in whys:
        if why:
            raise Skip(why)


def missing(*programs):
    """Which of the programs is not there, if one is not."""
    for program in programs:
        if shutil.which(program) is None:
            return f"there is no {program}"
    return None
