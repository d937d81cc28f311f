// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// One end of connections on Go's crypto/tls, one after the other: `go_peer client|server OPTION...`. The client says a line, and is
// answered with one. Prints what came of each connection as a line of JSON.

package main

import (
	"bufio"
	"crypto/ecdh"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

type outcome struct {
	Reused      bool     `json:"reused"`
	Version     string   `json:"version"`
	Group       string   `json:"group"`
	Alpn        string   `json:"alpn"`
	ServerName  string   `json:"server_name"`
	Peer        string   `json:"peer"`
	Exported    string   `json:"exported"`
	TlsExporter string   `json:"tls_exporter"`
	TlsUnique   string   `json:"tls_unique"`
	Ocsp        string   `json:"ocsp"`
	Scts        []string `json:"scts"`
	Ech         bool     `json:"ech"`
	EchRetry    string   `json:"ech_retry"`
	Error       string   `json:"error"`
}

var (
	ports      = flag.String("ports", "", "client: where to, one connection each")
	count      = flag.Int("connections", 1, "server: how many")
	pki        = flag.String("pki", "", "where the certificates are")
	version    = flag.String("version", "1.3", "the one version")
	name       = flag.String("name", "localhost", "client: the server's name")
	identity   = flag.String("identity", "", "who one is, by the name of the files")
	clientAuth = flag.Bool("client-auth", false, "server: clients must have a certificate")
	alpn       = flag.String("alpn", "", "protocols, separated by commas")
	groups     = flag.String("groups", "", "x25519, p256, p384, p521, mlkem")
	ocsp       = flag.String("ocsp", "", "server: a response to staple")
	sct        = flag.String("sct", "", "server: one timestamp, in hexadecimal")
	echList    = flag.String("ech-list", "", "client: a file with an ECHConfigList")
	echConfig  = flag.String("ech-config", "", "server: a file with an ECHConfig")
	echKey     = flag.String("ech-key", "", "server: a file with its key")
	label      = flag.String("label", "EXPERIMENTAL tls-stream", "of the keying material")
	keyLog     = flag.String("keylog", "", "a file")
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func configuration(role string) *tls.Config {
	versions := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	config := &tls.Config{MinVersion: versions[*version], MaxVersion: versions[*version], ServerName: *name}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(*pki + "/ca.pem")))
	config.RootCAs, config.ClientCAs = pool, pool
	if *identity != "" {
		own := must(tls.LoadX509KeyPair(*pki+"/"+*identity+".pem", *pki+"/"+*identity+".key"))
		if *ocsp != "" {
			own.OCSPStaple = must(os.ReadFile(*ocsp))
		}
		if *sct != "" {
			own.SignedCertificateTimestamps = [][]byte{must(hex.DecodeString(*sct))}
		}
		config.Certificates = []tls.Certificate{own}
	}
	if *clientAuth {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if *alpn != "" {
		config.NextProtos = strings.Split(*alpn, ",")
	}
	known := map[string]tls.CurveID{"x25519": tls.X25519, "p256": tls.CurveP256, "p384": tls.CurveP384, "p521": tls.CurveP521,
		"mlkem": tls.X25519MLKEM768}
	for _, group := range strings.FieldsFunc(*groups, func(r rune) bool { return r == ',' }) {
		config.CurvePreferences = append(config.CurvePreferences, known[group])
	}
	if *echList != "" {
		config.EncryptedClientHelloConfigList = must(os.ReadFile(*echList))
	}
	if *echKey != "" {
		key := must(ecdh.X25519().NewPrivateKey(must(os.ReadFile(*echKey))))
		config.EncryptedClientHelloKeys = []tls.EncryptedClientHelloKey{
			{Config: must(os.ReadFile(*echConfig)), PrivateKey: key.Bytes(), SendAsRetry: true}}
	}
	if *keyLog != "" {
		config.KeyLogWriter = must(os.Create(*keyLog))
	}
	if role == "client" {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	}
	return config
}

func converse(role string, connection *tls.Conn, told *outcome) error {
	if err := connection.Handshake(); err != nil {
		if rejected, is := err.(*tls.ECHRejectionError); is {
			told.EchRetry = hex.EncodeToString(rejected.RetryConfigList)
		}
		return err
	}
	state := connection.ConnectionState()
	told.Reused, told.Alpn, told.ServerName = state.DidResume, state.NegotiatedProtocol, state.ServerName
	told.Version, told.Group, told.Ech = tls.VersionName(state.Version), state.CurveID.String(), state.ECHAccepted
	if len(state.PeerCertificates) != 0 {
		told.Peer = state.PeerCertificates[0].Subject.CommonName
	}
	told.Ocsp, told.TlsUnique = hex.EncodeToString(state.OCSPResponse), hex.EncodeToString(state.TLSUnique)
	for _, one := range state.SignedCertificateTimestamps {
		told.Scts = append(told.Scts, hex.EncodeToString(one))
	}
	told.Exported = hex.EncodeToString(must(state.ExportKeyingMaterial(*label, nil, 32)))
	told.TlsExporter = hex.EncodeToString(must(state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)))
	reader := bufio.NewReader(connection)
	if role == "client" {
		if _, err := connection.Write([]byte("hello\n")); err != nil {
			return err
		}
	}
	if _, err := reader.ReadString('\n'); err != nil {
		return err
	}
	if role == "server" {
		if _, err := connection.Write([]byte("answer\n")); err != nil {
			return err
		}
	}
	if rest, err := io.ReadAll(reader); err != nil || len(rest) != 0 {
		return fmt.Errorf("the end: %v, %q", err, rest)
	}
	return connection.Close()
}

func run(role string, plain net.Conn, config *tls.Config) {
	told := outcome{Scts: []string{}}
	connection := tls.Server(plain, config)
	if role == "client" {
		connection = tls.Client(plain, config)
	}
	connection.SetDeadline(time.Now().Add(time.Minute))
	if err := converse(role, connection, &told); err != nil {
		told.Error = err.Error()
	}
	plain.Close()
	fmt.Println(string(must(json.Marshal(told))))
}

func main() {
	role := os.Args[1]
	flag.CommandLine.Parse(os.Args[2:])
	config := configuration(role)
	if role == "client" {
		for _, port := range strings.Split(*ports, ",") {
			run(role, must(net.Dial("tcp", "127.0.0.1:"+port)), config)
		}
		return
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	for range *count {
		run(role, must(listener.Accept()), config)
	}
}
