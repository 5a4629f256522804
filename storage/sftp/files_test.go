package sftp_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"holdfast/storage/sftp"
)

// Whatever leads to the server and lets one in is named, wherever ssh_config
// has it, and also for the servers on the way.
func TestFiles(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(elsewhere, name) }
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", at("agent"))
	for name, text := range map[string]string{
		filepath.Join(home, ".ssh", "config"): "Include " + at("more-*") + "\nHost backup\n  ProxyJump door\n  IdentityFile ~/keys/backup\n  UserKnownHostsFile " + at("hosts") + "\n",
		at("more-1"):                          "Host door\n  IdentityFile " + at("door-key") + "\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := func(settings map[string]string) []string {
		o, err := sftp.Parse("sftp:backup:/srv")
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range settings {
			if err := o.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		return o.Files()
	}
	got := files(map[string]string{"key-file": "~/keys/first"})
	for _, want := range []string{
		filepath.Join(home, ".ssh"), "/etc/ssh", filepath.Join(home, "keys/first"), filepath.Join(home, "keys/backup"),
		at("hosts"), at("more-1"), at("door-key"), at("agent"),
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	for _, within := range got {
		if filepath.Dir(within) == filepath.Join(home, ".ssh") {
			t.Errorf("%s is named, and so is its folder", within)
		}
	}
	if got := files(map[string]string{"config-file": at("none-such")}); !slices.Contains(got, at("none-such")) || !slices.Contains(got, filepath.Join(home, ".ssh")) {
		t.Errorf("with a file that cannot be read: %q", got)
	}
}
