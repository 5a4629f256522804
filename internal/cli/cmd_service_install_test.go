package cli

import (
	"testing"

	"holdfast/internal/config"
)

// What is said to be the dashboard's address can be opened on this machine.
func TestDashboardOf(t *testing.T) {
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:9898/", "127.0.0.1:80": "http://127.0.0.1:80/", "0.0.0.0:9898": "http://127.0.0.1:9898/",
		":9898": "http://127.0.0.1:9898/", "[::]:1": "http://127.0.0.1:1/", "[::1]:1": "http://[::1]:1/", "backup.example.com:443": "http://backup.example.com:443/", "off": "",
	} {
		if got := dashboardOf(&config.Config{Service: config.Service{Listen: listen}}); got != want {
			t.Errorf("%q: %q, want %q", listen, got, want)
		}
	}
	tls := config.Service{Listen: "localhost:1", TLS: config.TLS{Cert: "/cert"}}
	if got := dashboardOf(&config.Config{Service: tls}); got != "https://localhost:1/" {
		t.Errorf("with TLS: %q", got)
	}
	if got := dashboardOf(nil); got != "http://127.0.0.1:9898/" {
		t.Errorf("without a configuration: %q", got)
	}
}
