package config_test

import (
	"strings"
	"testing"

	"holdfast/internal/config"
)

// Where the service listens: what others can reach has TLS, or does not on
// purpose.
func TestListen(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                          "",
		`{ listen: off }`:             "",
		`{ listen: 127.0.0.1:9898 }`:  "",
		`{ listen: "[::1]:9898" }`:    "",
		`{ listen: "localhost:9898"}`: "",
		`{ listen: 0.0.0.0:9898, tls: { cert: /c.pem, key: /k.pem } }`: "",
		`{ listen: ":9898", tls: off, hosts: [backup.example.com] }`:   "",
		`{ restore_dirs: [/srv/restores] }`:                            "",
		`{ listen: 9898 }`:                                             "not an address",
		`{ listen: ":9898" }`:                                          "others can reach it",
		`{ listen: 10.0.0.1:9898, tls: {} }`:                           "others can reach it",
		`{ listen: backup.example.com:9898 }`:                          "others can reach it",
		`{ listen: 0.0.0.0:9898, tls: { cert: /c.pem } }`:              "a certificate without its key",
		`{ listen: 0.0.0.0:9898, tls: self-signed }`:                   "a certificate with its key, or off",
		`{ tls: { cert: c.pem, key: /k.pem } }`:                        "not an absolute path",
		`{ restore_dirs: [/etc/] }`:                                    "the system itself is in /etc/",
		`{ restore_dirs: [restores] }`:                                 "whole path",
	} {
		_, err := config.Parse("/holdfast.yaml", []byte("service: "+text+"\n"))
		if got := ""; err != nil {
			got = err.Error()
			if want == "" || !strings.Contains(got, want) {
				t.Errorf("%s: %s; want %q", text, got, want)
			}
		} else if want != "" {
			t.Errorf("%s is no error, want %q", text, want)
		}
	}
}
