// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * One end of a connection on Java's JSSE: `java JavaPeer client|server PORT PKI-DIRECTORY 1.2|1.3 STEP...`. Prints how the
 * connection ended as a line of JSON. The steps are those of scripted.py.
 */
class JavaPeer {
    static String saw = "open";
    static final ByteArrayOutputStream received = new ByteArrayOutputStream();

    static byte[] numberedLines(int size) {
        StringBuilder lines = new StringBuilder(size + 8);
        for (int i = 0; lines.length() < size; ++i) lines.append(String.format("%07d\n", i));
        return lines.substring(0, size).getBytes();
    }

    static Certificate[] certificates(Path file) throws Exception {
        try (InputStream in = Files.newInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(new Certificate[0]);
        }
    }

    static SSLContext context(Path pki) throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", certificates(pki.resolve("ca.pem"))[0]);
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);

        String pem = Files.readString(pki.resolve("server.key")).replaceAll("-----.*-----|\\s", "");
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        var key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        own.setKeyEntry("server", key, new char[0], certificates(pki.resolve("server.pem")));
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, new char[0]);

        SSLContext made = SSLContext.getInstance("TLS");
        made.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return made;
    }

    static SSLSocket connect(String role, int port, SSLContext context) throws Exception {
        InetAddress here = InetAddress.getByName("127.0.0.1");
        if (role.equals("client")) {
            Socket plain = new Socket(here, port);
            SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, "localhost", port, true);
            var parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            return socket;
        }
        try (SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(port, 1, here)) {
            return (SSLSocket) listener.accept();
        }
    }

    static void receive(SSLSocket socket, int atMost) {
        byte[] buffer = new byte[65536];
        try {
            while (atMost > 0) {
                int n = socket.getInputStream().read(buffer, 0, Math.min(buffer.length, atMost));
                if (n < 0) {
                    saw = "close_notify"; // with requireCloseNotify JSSE throws where it did not come
                    return;
                }
                received.write(buffer, 0, n);
                atMost -= n;
            }
        } catch (IOException error) {
            saw = "error: " + error;
        }
    }

    static void take(SSLSocket socket, String step, int value) throws Exception {
        switch (step) {
            case "send" -> socket.getOutputStream().write(numberedLines(value));
            case "expect" -> receive(socket, value);
            case "until-end" -> receive(socket, Integer.MAX_VALUE);
            case "close" -> socket.close();
            default -> throw new IllegalArgumentException(step);
        }
    }

    public static void main(String[] arguments) throws Exception {
        SSLSocket socket = connect(arguments[0], Integer.parseInt(arguments[1]), context(Path.of(arguments[2])));
        socket.setEnabledProtocols(new String[] {"TLSv" + arguments[3]});
        socket.setSoTimeout(60000);
        String failure = null;
        try {
            socket.startHandshake();
            for (String argument : Arrays.asList(arguments).subList(4, arguments.length)) {
                String[] step = argument.split("=");
                take(socket, step[0], step.length > 1 ? Integer.parseInt(step[1]) : 0);
            }
        } catch (IOException error) {
            failure = error.toString();
        }
        boolean complete = Arrays.equals(received.toByteArray(), numberedLines(received.size()));
        System.out.printf("{\"saw\": \"%s\", \"error\": %s, \"received\": %d, \"complete\": %b}%n", saw.replace("\"", "'"),
                          failure == null ? "null" : "\"" + failure.replace("\"", "'") + "\"", received.size(), complete);
    }
}
