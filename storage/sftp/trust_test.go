package sftp_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"holdfast/storage"
	"holdfast/storage/sftp"
	"holdfast/test/servers"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// write makes a file in a folder of its own and returns its path.
func write(t testing.TB, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hostKey returns the key of the server, out of its known_hosts file.
func hostKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	data, err := os.ReadFile(servers.SSH(t).KnownHostsFile)
	if err != nil {
		t.Fatal(err)
	}
	_, _, key, _, _, err := ssh.ParseKnownHosts(data)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newKey(t testing.TB) (private ed25519.PrivateKey, public ssh.PublicKey) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err = ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func address(t testing.TB) string {
	s := servers.SSH(t)
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// wantRefusal checks that nobody is let in, for good, and that the message
// holds all of the words.
func wantRefusal(t *testing.T, o sftp.Options, words ...string) {
	t.Helper()
	s, err := sftp.Open(t.Context(), o)
	if err == nil {
		s.Close()
		t.Fatal("Open = nil, want a refusal")
	}
	if !errors.Is(err, fs.ErrPermission) || !storage.IsPermanent(err) {
		t.Errorf("Open = %v; it must not be tried again", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the message lacks %q: %v", w, err)
		}
	}
}

func TestUnknownServerIsRefused(t *testing.T) {
	o := options(t)
	o.KnownHostsFile = filepath.Join(t.TempDir(), "known_hosts") // not there
	wantRefusal(t, o, "not known", ssh.FingerprintSHA256(hostKey(t)), "echo '", o.KnownHostsFile)

	// What the message says to run is enough.
	line := knownhosts.Line([]string{address(t)}, hostKey(t))
	if err := os.WriteFile(o.KnownHostsFile, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, o)
}

func TestChangedKeyIsRefused(t *testing.T) {
	o := options(t)
	_, other := newKey(t)
	o.KnownHostsFile = write(t, knownhosts.Line([]string{address(t)}, other)+"\n")
	wantRefusal(t, o, "HAS CHANGED", ssh.FingerprintSHA256(hostKey(t)), ssh.FingerprintSHA256(other), "ssh-keygen -R")
}

func TestRevokedKeyIsRefused(t *testing.T) {
	o := options(t)
	line := knownhosts.Line([]string{address(t)}, hostKey(t))
	o.KnownHostsFile = write(t, line+"\n@revoked * "+strings.SplitN(line, " ", 2)[1]+"\n")
	wantRefusal(t, o, "revoked")
}

func TestHashedKnownHosts(t *testing.T) {
	o := options(t)
	hashed := knownhosts.HashHostname(knownhosts.Normalize(address(t)))
	o.KnownHostsFile = write(t, knownhosts.Line([]string{hashed}, hostKey(t))+"\n")
	open(t, o)
}

func TestWrongKeyIsRefused(t *testing.T) {
	o := options(t)
	private, public := newKey(t)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	o.KeyFile = write(t, string(pem.EncodeToMemory(block)))
	wantRefusal(t, o, "does not let", ssh.FingerprintSHA256(public))
}

// encrypted writes the key that may log in, encrypted with a passphrase.
func encrypted(t *testing.T, passphrase string) string {
	t.Helper()
	data, err := os.ReadFile(servers.SSH(t).KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return write(t, string(pem.EncodeToMemory(block)))
}

func TestEncryptedKey(t *testing.T) {
	o := options(t)
	o.KeyFile = encrypted(t, "open sesame")
	t.Setenv("SSH_AUTH_SOCK", "")
	wantRefusal(t, o, "is encrypted", "ssh-add "+o.KeyFile, "HOLDFAST_SFTP_KEY_PASSPHRASE")

	o.KeyPassphrase = "wrong words"
	wantRefusal(t, o, "does not open it")

	o.KeyPassphrase = "open sesame"
	open(t, o)
}

// An agent holds the key of a file that only it can open.
func TestAgent(t *testing.T) {
	o := options(t)
	socket := filepath.Join(t.TempDir(), "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
	})
	for _, err := os.Stat(socket); err != nil; _, err = os.Stat(socket) {
		if t.Context().Err() != nil {
			t.Fatal("the agent does not start")
		}
	}
	t.Setenv("SSH_AUTH_SOCK", socket)
	if out, err := exec.Command("ssh-add", o.KeyFile).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o.KeyFile = encrypted(t, "nobody knows")
	open(t, o)
	o.KeyFile = ""
	open(t, o)
}

// An alias of ssh_config says where the server is, who logs in, with what, and
// through which other servers.
func TestSSHConfig(t *testing.T) {
	server, dir := servers.SSH(t), servers.SSH(t).Dir(t)
	config := "Match final all\n  Port 1\nMatch host store exec false\n  HostName nowhere.invalid\n" +
		"Host jump store\n" +
		"  HostName " + server.Host + "\n  Port " + strconv.Itoa(server.Port) + "\n  User " + server.User + "\n" +
		"  IdentityFile " + server.KeyFile + "\n  UserKnownHostsFile " + server.KnownHostsFile + "\n" +
		"Host store\n  ProxyJump jump,%JUMP%\nMatch all\n  User nobody\n  StrictHostKeyChecking no\n"
	config = strings.ReplaceAll(config, "%JUMP%", server.User+"@"+address(t))
	o := sftp.Options{Host: "store", Path: dir, ConfigFile: write(t, config), KeyFile: server.KeyFile, KnownHostsFile: server.KnownHostsFile}
	put(t, open(t, o), "config", "through two others")
	if _, err := os.Stat(filepath.Join(dir, "config")); err != nil {
		t.Error(err)
	}

	// StrictHostKeyChecking no is not obeyed.
	o.KnownHostsFile = write(t, "")
	wantRefusal(t, o, "not known")
}
