package restserver

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/test/program"
	"holdfast/test/servers"
)

// live is what both programs do with a repository from its first day on.
func live(t *testing.T, init, by, other program.Program) {
	t.Helper()
	init.Run(t, "init")
	first, second := folder(t, 1, 20), folder(t, 2, 5)
	by.Run(t, "backup", first)
	by.Run(t, "backup", second)
	wantRestored(t, by, second)
	other.Run(t, "check", "--read-data")
	wantRestored(t, other, second)
	by.Run(t, "forget", "--keep-last", "1", "--group-by", "", "--prune")
	other.Run(t, "check", "--read-data")
	wantRestored(t, by, second)
}

// restic and holdfast on `holdfast rest-server`, with passwords and TLS.
func TestOurServer(t *testing.T) {
	cert, key := certificate(t)
	s := serve(t, t.TempDir(), "--listen", "127.0.0.1:0", "--htpasswd-file", users(t, "alice", "open sesame"), "--private-repos",
		"--tls", "--tls-cert", cert, "--tls-key", key)
	for name, lead := range map[string]bool{"holdfast leads": true, "restic leads": false} {
		t.Run(name, func(t *testing.T) {
			place := strings.ReplaceAll(name, " ", "-")
			ours, restic := clients(t, "rest:https://"+s.address+"/alice/"+place+"/",
				"RESTIC_REST_USERNAME=alice", "RESTIC_REST_PASSWORD=open sesame", "RESTIC_CACERT="+cert)
			if lead {
				live(t, ours, ours, restic)
			} else {
				live(t, restic, restic, ours)
			}
		})
	}
	ours, restic := clients(t, "rest:https://"+s.address+"/bob/", "RESTIC_REST_USERNAME=alice", "RESTIC_REST_PASSWORD=open sesame", "RESTIC_CACERT="+cert)
	for _, p := range []program.Program{ours, restic} {
		if r := p.Exits(t, 1, "init"); !strings.Contains(r.Stderr, "401") {
			t.Errorf("the place of another user: %s", r.Output())
		}
	}
}

// holdfast on restic's own server.
func TestResticsServer(t *testing.T) {
	ours, restic := clients(t, "rest:"+servers.Rest(t).URL+"some/where/")
	live(t, ours, ours, restic)
}

// A client of an append-only server can make backups, and destroy none.
func TestAppendOnlyServer(t *testing.T) {
	s := serve(t, t.TempDir(), "--listen", "127.0.0.1:0", "--no-auth", "--append-only")
	ours, restic := clients(t, "rest:http://"+s.address+"/")
	ours.Run(t, "init")
	data := folder(t, 3, 5)
	for _, p := range []program.Program{ours, restic} {
		p.Run(t, "backup", data)
	}
	for _, p := range []program.Program{ours, restic} {
		if r := p.Try("forget", "--keep-last", "1", "--group-by", "host", "--prune"); r.Code == 0 {
			t.Errorf("forget on an append-only server succeeds: %s", r.Output())
		}
	}
	if got := len(program.JSON[struct{ ID string }](t, ours, "snapshots")); got != 2 {
		t.Errorf("%d snapshots are left, want both", got)
	}
	if r := ours.Exits(t, 1, "forget", "latest"); !strings.Contains(r.Stderr, "append-only") {
		t.Errorf("forget does not say why it fails: %s", r.Output())
	}
	ours.Run(t, "check", "--read-data")
	restic.Run(t, "check", "--read-data")
	wantRestored(t, ours, data)
}

// The server is killed while backups are uploaded to it, again and again.
func TestKilledServer(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, "--listen", "127.0.0.1:0", "--no-auth")
	address := s.address
	ours, restic := clients(t, "rest:http://"+address+"/")
	ours.Run(t, "init")
	data := folder(t, 4, 60)
	ended := make(chan program.Result, 1)
	go func() { ended <- ours.Try("backup", "--limit-upload", "20000", data) }()
	for range 5 {
		time.Sleep(150 * time.Millisecond) // somewhere in the middle of it
		s.kill()
		s = serve(t, dir, "--listen", address, "--no-auth")
	}
	if r := <-ended; r.Code != 0 {
		t.Fatalf("backup: exit code %d\n%s", r.Code, r.Output())
	} else if !strings.Contains(r.Stderr, "trying again") {
		t.Error("the server was not missed")
	}
	restic.Run(t, "check", "--read-data")
	wantRestored(t, ours, data)
}

// SIGTERM ends the server in order.
func TestServerStops(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	s := serve(t, t.TempDir(), "--listen", "unix:"+socket, "--no-auth")
	ours, _ := clients(t, "rest:http+unix://"+socket+":/repo/")
	ours.Run(t, "init")
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
}

func TestServerRefusesToStart(t *testing.T) {
	dir := t.TempDir()
	p := program.Holdfast(t)
	for _, test := range []struct {
		flags []string
		words string
	}{
		{nil, "--path"},
		{[]string{"--path", filepath.Join(dir, "missing")}, "no such file"},
		{[]string{"--path", dir}, "htpasswd -B"},
		{[]string{"--path", dir, "--no-auth", "--tls-cert", "x"}, "--tls"},
		{[]string{"--path", dir, "--no-auth", "--tls"}, "certificate"},
		{[]string{"--path", dir, "--htpasswd-file", plainUsers(t)}, "line 1"},
	} {
		if r := p.Exits(t, 1, append([]string{"rest-server"}, test.flags...)...); !strings.Contains(r.Stderr, test.words) {
			t.Errorf("rest-server %q: %q lacks %q", test.flags, r.Stderr, test.words)
		}
	}
}

// plainUsers writes a password file as nobody should.
func plainUsers(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "htpasswd")
	must(t, os.WriteFile(file, []byte("alice:secret\n"), 0o600))
	return file
}

// Both programs take the same flags for certificates; whom to trust is asked for
// by a warning, and who is not trusted is no server that comes back.
func TestFlagsOfCertificates(t *testing.T) {
	cert, key := certificate(t)
	s := serve(t, t.TempDir(), "--listen", "127.0.0.1:0", "--no-auth", "--tls", "--tls-cert", cert, "--tls-key", key)
	ours, restic := clients(t, "rest:https://"+s.address+"/")
	restic.Run(t, "init", "--cacert", cert)
	if r := ours.Exits(t, 0, "snapshots", "--cacert", cert); strings.Contains(r.Stderr, "insecure") {
		t.Errorf("a certificate that is trusted: %s", r.Output())
	}
	restic.Run(t, "snapshots", "--insecure-tls")
	if r := ours.Exits(t, 0, "snapshots", "--insecure-tls"); !strings.Contains(r.Stderr, "certificates are not checked") {
		t.Errorf("no warning: %s", r.Output())
	}
	if r := ours.Exits(t, 1, "snapshots"); !strings.Contains(r.Stderr, "--cacert") {
		t.Errorf("a certificate that nobody trusts: %s", r.Output())
	}
}
