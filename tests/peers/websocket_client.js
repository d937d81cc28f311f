// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A client on Node's ws: `node websocket_client.js PORT PKI-DIRECTORY 1.2|1.3 STEP...` prints what came of it as a line of JSON.
// Steps: text=N and binary=N send a message of that many bytes and wait for its echo, or the end; close. It then waits for the end.

"use strict";
const fs = require("fs");
const WebSocket = require("ws");

const [port, pki, version, ...steps] = process.argv.slice(2);
const told = { echoed: 0, same: true, code: null, clean: false, error: null, ended: false };
const socket = new WebSocket(`wss://127.0.0.1:${port}/`, {
    ca: fs.readFileSync(pki + "/ca.pem"), servername: "localhost", minVersion: "TLSv" + version, maxVersion: "TLSv" + version,
});

function message(kind, size) {
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; ++i) bytes[i] = kind === "text" ? 97 + (i % 26) : i % 251;
    return bytes;
}

const ended = new Promise((resolve) => {
    socket.on("upgrade", (response) => response.socket.on("end", () => { told.ended = true; }));
    socket.on("error", (error) => { told.error = error.message; });
    socket.on("close", (code) => {
        told.code = code;
        told.clean = code !== 1006;
        resolve();
    });
});

async function exchange(kind, size) {
    const sent = message(kind, size);
    const answered = new Promise((resolve) => socket.once("message", (data, isBinary) => {
        ++told.echoed;
        told.same = told.same && Buffer.compare(data, sent) === 0 && isBinary === (kind === "binary");
        resolve();
    }));
    socket.send(sent, { binary: kind === "binary" });
    await Promise.race([answered, ended]);
}

async function run() {
    await Promise.race([new Promise((resolve) => socket.on("open", resolve)), ended]);
    for (const step of steps) {
        const [kind, size] = step.split("=");
        if (kind === "close") socket.close(1000);
        else await exchange(kind, Number(size));
    }
    await ended;
    console.log(JSON.stringify(told));
}

run();
