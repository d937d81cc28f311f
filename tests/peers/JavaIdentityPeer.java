// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * One end of connections on Java's JSSE, one after the other: `java JavaIdentityPeer client|server NAME=VALUE...`. The client says a
 * line, and is answered with one. Prints what came of each connection as a line of JSON.
 */
class JavaIdentityPeer {
    static final Map<String, String> asked = new HashMap<>(Map.of("name", "localhost", "connections", "1", "alpn", "", "identity", ""));

    static Certificate[] certificates(Path file) throws Exception {
        try (InputStream in = Files.newInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(new Certificate[0]);
        }
    }

    static SSLContext context() throws Exception {
        Path pki = Path.of(asked.get("pki"));
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", certificates(pki.resolve("ca.pem"))[0]);
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);

        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        String identity = asked.get("identity");
        if (asked.containsKey("p12")) {
            try (InputStream in = Files.newInputStream(Path.of(asked.get("p12")))) {
                own.load(in, asked.get("password").toCharArray());
            }
        } else if (!identity.isEmpty()) {
            Certificate[] chain = certificates(pki.resolve(identity + ".pem"));
            String pem = Files.readString(pki.resolve(identity + ".key")).replaceAll("-----.*-----|\\s", "");
            var key = KeyFactory.getInstance(chain[0].getPublicKey().getAlgorithm())
                          .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
            own.setKeyEntry("own", key, "secret".toCharArray(), chain);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, "secret".toCharArray());

        SSLContext made = SSLContext.getInstance("TLS");
        made.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return made;
    }

    // Where the session of before is resumed it keeps the time of its creation.
    static void converse(String role, SSLSocket socket) {
        String failure = "", peer = "", alpn = "";
        long created = 0;
        try (socket) {
            socket.setSoTimeout(60000);
            socket.setEnabledProtocols(new String[] {"TLSv" + asked.get("version")});
            var parameters = socket.getSSLParameters();
            if (!asked.get("alpn").isEmpty()) parameters.setApplicationProtocols(asked.get("alpn").split(","));
            if (role.equals("client")) {
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                parameters.setServerNames(List.of(new SNIHostName(asked.get("name"))));
            } else {
                parameters.setNeedClientAuth(asked.getOrDefault("client-auth", "").equals("required"));
            }
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            var in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            if (role.equals("client")) socket.getOutputStream().write("hello\n".getBytes());
            if (in.readLine() == null) throw new IOException("nothing came");
            if (role.equals("server")) socket.getOutputStream().write("answer\n".getBytes());
            if (in.readLine() != null) throw new IOException("more came than one line");
            created = socket.getSession().getCreationTime();
            alpn = socket.getApplicationProtocol();
            try {
                peer = socket.getSession().getPeerPrincipal().getName();
            } catch (SSLPeerUnverifiedException none) {
                peer = "";
            }
        } catch (IOException error) {
            failure = error.toString().replace("\"", "'");
        }
        System.out.printf("{\"error\": \"%s\", \"peer\": \"%s\", \"alpn\": \"%s\", \"created\": %d}%n", failure, peer, alpn, created);
    }

    public static void main(String[] arguments) throws Exception {
        for (int i = 1; i < arguments.length; ++i) {
            String[] pair = arguments[i].split("=", 2);
            asked.put(pair[0], pair[1]);
        }
        SSLContext context = context();
        InetAddress here = InetAddress.getByName("127.0.0.1");
        if (arguments[0].equals("client")) {
            for (String port : asked.get("ports").split(",")) {
                Socket plain = new Socket(here, Integer.parseInt(port));
                converse("client", (SSLSocket) context.getSocketFactory().createSocket(plain, asked.get("name"), plain.getPort(), true));
            }
            return;
        }
        try (SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 5, here)) {
            for (int i = Integer.parseInt(asked.get("connections")); i > 0; --i) converse("server", (SSLSocket) listener.accept());
        }
    }
}
