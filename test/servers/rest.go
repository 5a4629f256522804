package servers

import (
	"path/filepath"
	"slices"
	"testing"
)

// RestServer is restic's own REST server.
type RestServer struct {
	URL string // such as "http://127.0.0.1:20000/", for "rest:" + URL
	Dir string // what it serves
}

// Rest starts a REST server with further flags, such as "--append-only". It
// stops when the test ends. Unless the flags name a password file it asks for
// no password.
func Rest(t testing.TB, flags ...string) *RestServer {
	t.Helper()
	wantLinux(t)
	if !slices.ContainsFunc(flags, func(f string) bool { return f == "--htpasswd-file" }) {
		flags = append(slices.Clip(flags), "--no-auth")
	}
	p, port, err := start(server{
		tool: "rest-server",
		command: func(dir string, port int) ([]string, []string) {
			return append([]string{"--listen", address(port), "--path", dir}, flags...), nil
		},
		ready: answers("/"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	p.showLogOf(t) // runs before the server stops
	return &RestServer{URL: "http://" + address(port) + "/", Dir: filepath.Join(p.dir, "data")}
}
