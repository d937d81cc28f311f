// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One end of a connection on Node's tls: `node node_peer.js client|server PORT PKI-DIRECTORY 1.2|1.3 STEP...`. Prints how the
// connection ended as a line of JSON. The steps are those of scripted.py. Node does not tell close_notify from a bare end of the
// connection, but what it received is in the trace on standard error.

"use strict";
const fs = require("fs");
const tls = require("tls");

const [role, port, pki, version, ...steps] = process.argv.slice(2);
const told = { saw: "open", error: null };
let received = Buffer.alloc(0);
let wake = () => {};

function numberedLines(size) {
    let lines = "";
    for (let i = 0; lines.length < size; ++i) lines += String(i).padStart(7, "0") + "\n";
    return Buffer.from(lines.slice(0, size));
}

async function until(condition) {
    while (!condition()) await new Promise((resolve) => { wake = resolve; });
}

async function take(socket, step, value) {
    if (step === "send") await new Promise((resolve) => socket.write(numberedLines(Number(value)), resolve));
    else if (step === "expect") await until(() => received.length >= Number(value) || told.saw !== "open");
    else if (step === "until-end") await until(() => told.saw !== "open");
    else if (step === "close") {
        const closed = new Promise((resolve) => socket.on("close", resolve));
        socket.end();
        await closed;
    } else throw new Error(step);
}

async function run(socket) {
    const parts = [];
    socket.enableTrace();
    socket.on("data", (chunk) => { parts.push(chunk); received = Buffer.concat(parts); wake(); });
    socket.on("end", () => { told.saw = "end"; wake(); });
    socket.on("error", (error) => { told.saw = error.code; told.error = error.message; wake(); });
    for (const step of steps) await take(socket, ...step.split("="));
    told.received = received.length;
    told.complete = received.equals(numberedLines(received.length));
    console.log(JSON.stringify(told));
    process.exit();
}

const options = { minVersion: "TLSv" + version, maxVersion: "TLSv" + version, allowHalfOpen: true };
if (role === "server") {
    const identity = { cert: fs.readFileSync(pki + "/server.pem"), key: fs.readFileSync(pki + "/server.key") };
    tls.createServer({ ...options, ...identity }, run).listen(Number(port), "127.0.0.1");
} else {
    const trust = { ca: fs.readFileSync(pki + "/ca.pem"), host: "127.0.0.1", servername: "localhost" };
    const socket = tls.connect(Number(port), { ...options, ...trust }, () => run(socket));
}
