package config_test

import (
	"strings"
	"testing"

	"holdfast/internal/config"
)

func TestTraces(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                  "",
		`{ traces: "http://127.0.0.1:4318" }`: "",
		`{ traces: { endpoint: "https://collector:4318/otlp", headers: { env: OTLP_HEADERS } } }`: "",
		`{ traces: "127.0.0.1:4318" }`:                                                      "is not the URL of a collector; such as http://127.0.0.1:4318",
		`{ traces: { headers: { env: OTLP_HEADERS } } }`:                                    "is not the URL of a collector",
		`{ traces: "https://me:s3cret@collector:4318" }`:                                    "holds a password",
		`{ traces: { endpoint: "http://127.0.0.1:4318", headers: { evn: OTLP_HEADERS } } }`: `did you mean "env"?`,
	} {
		c, err := config.Parse("/holdfast.yaml", []byte("service: "+text+"\n"))
		switch {
		case err == nil && want != "":
			t.Errorf("%s is no error, want %q", text, want)
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %q", text, err, want)
		case err == nil && c.Service.Traces.Endpoint == "" && text != "{}":
			t.Errorf("%s: nothing was read", text)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v shows a password", err)
		}
	}
}
