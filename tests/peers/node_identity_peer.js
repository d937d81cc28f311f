// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One end of connections on Node's tls, one after the other: `node node_identity_peer.js '{"role": "client", ...}'`. The client says a
// line, and is answered with one. Prints what came of each connection as a line of JSON.

"use strict";
const fs = require("fs");
const tls = require("tls");

const asked = { name: "localhost", connections: 1, ...JSON.parse(process.argv[2]) };
const log = asked.keylog ? fs.openSync(asked.keylog, "w") : null;
let session = null;

function options() {
    const made = { minVersion: "TLSv" + asked.version, maxVersion: "TLSv" + asked.version, ca: fs.readFileSync(asked.pki + "/ca.pem") };
    if (asked.identity) {
        made.cert = fs.readFileSync(`${asked.pki}/${asked.identity}.pem`);
        made.key = fs.readFileSync(`${asked.pki}/${asked.identity}.key`);
    }
    if (asked.p12) Object.assign(made, { pfx: fs.readFileSync(asked.p12), passphrase: asked.password });
    if (asked.alpn) made.ALPNProtocols = asked.alpn;
    return made;
}

function describe(socket) {
    return {
        reused: socket.isSessionReused(), alpn: socket.alpnProtocol || "", version: socket.getProtocol(), cipher: socket.getCipher().name,
        peer: (socket.getPeerCertificate().subject || {}).CN || "",
        exported: socket.exportKeyingMaterial(32, asked.label).toString("hex"), error: null,
    };
}

// Resolves with what came of it; `first` is what this side says at once, `second` what it says to the other's line.
function converse(socket, told, first, second) {
    return new Promise((resolve) => {
        let received = "";
        if (first) socket.write(first);
        socket.on("data", (chunk) => {
            received += chunk;
            if (received.endsWith("\n") && second) socket.write(second);
        });
        socket.on("end", () => socket.end());
        socket.on("error", (error) => { told.error = error.message; });
        socket.on("close", () => resolve({ ...told, received }));
    });
}

function client(port) {
    return new Promise((resolve) => {
        const extra = { host: "127.0.0.1", servername: asked.name, session, requestOCSP: Boolean(asked.ocsp), allowHalfOpen: true };
        const told = { error: null, ocsp: "" };
        const socket = tls.connect(port, { ...options(), ...extra });
        socket.on("session", (fresh) => { session = fresh; });
        socket.on("OCSPResponse", (response) => { told.ocsp = response ? response.toString("hex") : ""; });
        if (log) socket.on("keylog", (line) => fs.writeSync(log, line));
        const ended = converse(socket, told, null, null);
        socket.on("secureConnect", () => {
            Object.assign(told, describe(socket));
            socket.write("hello\n");
        });
        ended.then((what) => resolve({ ...what, ...told }));
    });
}

function serve() {
    let left = asked.connections;
    const done = (told) => {
        console.log(JSON.stringify(told));
        if (--left === 0) process.exit();
    };
    const authentication = { requestCert: Boolean(asked.clientAuth), rejectUnauthorized: asked.clientAuth !== "optional" };
    const server = tls.createServer({ ...options(), ...authentication, allowHalfOpen: true }, (socket) => {
        const told = { ...describe(socket), serverName: socket.servername || "" };
        converse(socket, told, null, "answer\n").then((what) => done({ ...what, ...told }));
    });
    server.on("OCSPRequest", (certificate, issuer, answer) => answer(null, asked.ocsp ? fs.readFileSync(asked.ocsp) : null));
    if (log) server.on("keylog", (line) => fs.writeSync(log, line));
    server.on("tlsClientError", (error) => done({ error: error.message }));
    server.listen(0, "127.0.0.1");
}

async function main() {
    if (asked.role === "server") return serve();
    for (const port of asked.ports) console.log(JSON.stringify(await client(port)));
    process.exit();
}

main();
