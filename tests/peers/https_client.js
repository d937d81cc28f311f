// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A client on Node's https: `node https_client.js PORT PKI-DIRECTORY 1.2|1.3` asks three times over one connection, says that this was
// all, waits for the server to say the same, and prints what came as a line of JSON. The trace of the connection is on standard error.

"use strict";
const fs = require("fs");
const https = require("https");

const [port, pki, version] = process.argv.slice(2);
const agent = new https.Agent({
    ca: fs.readFileSync(pki + "/ca.pem"), minVersion: "TLSv" + version, maxVersion: "TLSv" + version, ALPNProtocols: ["http/1.1"],
    keepAlive: true, maxSockets: 1,
});
const sockets = new Set();

function get(path) {
    return new Promise((resolve, reject) => {
        const request = https.get({ host: "127.0.0.1", servername: "localhost", port, path, agent }, (response) => {
            let body = "";
            response.on("data", (part) => { body += part; });
            response.on("end", () => resolve({ status: response.statusCode, body }));
        });
        request.on("socket", (socket) => {
            if (!sockets.has(socket)) socket.enableTrace();
            sockets.add(socket);
        });
        request.on("error", reject);
    });
}

async function run() {
    const answers = [await get("/"), await get("/nowhere"), await get("/")];
    const [socket] = sockets;
    const told = { protocol: socket.getProtocol(), alpn: socket.alpnProtocol, connections: sockets.size, page: answers[2].body };
    told.statuses = answers.map((answer) => answer.status);
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.ref();  // a connection that waits for its next request does not keep Node from ending
    socket.end();
    await closed;
    console.log(JSON.stringify(told));
}

run();
