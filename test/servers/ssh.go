package servers

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSHServer is OpenSSH's sshd. The user who runs the tests may log in, with
// one key, and reaches the whole file system.
type SSHServer struct {
	Host           string
	Port           int
	User           string
	KeyFile        string // the private key that may log in
	KnownHostsFile string // names the server's key

	folders string
}

var sshServer shared[*SSHServer]

// SSH returns the sshd of this test process.
func SSH(t testing.TB) *SSHServer {
	t.Helper()
	return sshServer.get(t, startSSH)
}

// Dir makes an empty folder on the server, for one test, and returns its
// absolute path.
func (s *SSHServer) Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(s.folders, "dir-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func startSSH() (*SSHServer, *process, error) {
	program, err := findSSHD()
	if err != nil {
		return nil, nil, err
	}
	login, err := user.Current()
	if err != nil {
		return nil, nil, err
	}
	hostKey, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	userKey, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	p, port, err := start(server{
		program: program,
		command: func(dir string, port int) ([]string, []string) {
			config := filepath.Join(dir, "sshd_config")
			err := errors.Join(
				os.WriteFile(filepath.Join(dir, "host_key"), hostKey.private, 0o600),
				os.WriteFile(filepath.Join(dir, "user_key"), userKey.private, 0o600),
				os.WriteFile(filepath.Join(dir, "authorized_keys"), ssh.MarshalAuthorizedKey(userKey.public), 0o600),
				os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(knownhosts.Line([]string{address(port)}, hostKey.public)+"\n"), 0o600),
				os.WriteFile(config, fmt.Appendf(nil, sshdConfig, port, dir), 0o600),
				os.Mkdir(filepath.Join(dir, "folders"), 0o700),
			)
			if err != nil {
				panic(err) // the folder was made a moment ago
			}
			return []string{"-D", "-e", "-f", config}, nil
		},
		ready: func(ctx context.Context, port int) error { return hostKey.answersAt(ctx, address(port)) },
	})
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(p.dir, "data")
	return &SSHServer{
		Host: "127.0.0.1", Port: port, User: login.Username,
		KeyFile:        filepath.Join(data, "user_key"),
		KnownHostsFile: filepath.Join(data, "known_hosts"),
		folders:        filepath.Join(data, "folders"),
	}, p, nil
}

// sshdConfig wants a port and the folder with the keys.
const sshdConfig = `
Port %d
ListenAddress 127.0.0.1
HostKey %[2]s/host_key
AuthorizedKeysFile %[2]s/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
MaxSessions 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
`

// findSSHD returns the path of sshd, which wants to be called by it, and
// makes the folder it locks its unprivileged half into.
func findSSHD() (string, error) {
	path, err := exec.LookPath("sshd")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/sshd") // not in every user's PATH
	}
	if err != nil {
		return "", fmt.Errorf("finding sshd (apt-get install openssh-server): %w", err)
	}
	if os.Geteuid() == 0 {
		err = os.MkdirAll("/run/sshd", 0o755)
	}
	return path, err
}

// key is a fresh key pair.
type key struct {
	private []byte // as OpenSSH keeps it in a file
	public  ssh.PublicKey
}

func newKey() (key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return key{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return key{}, err
	}
	k := key{private: pem.EncodeToMemory(block)}
	k.public, err = ssh.NewPublicKey(public)
	return k, err
}

// errHostKeySeen ends a handshake that has shown what it was for.
var errHostKeySeen = errors.New("host key seen")

// answersAt returns nil when a server with this host key listens there.
func (k key) answersAt(ctx context.Context, at string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", at)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _, _, err = ssh.NewClientConn(conn, at, &ssh.ClientConfig{
		User: "nobody",
		HostKeyCallback: func(_ string, _ net.Addr, got ssh.PublicKey) error {
			if !bytes.Equal(got.Marshal(), k.public.Marshal()) {
				return errors.New("another server has the port " + strconv.Quote(at))
			}
			return errHostKeySeen
		},
	})
	if errors.Is(err, errHostKeySeen) {
		return nil
	}
	return err
}
