package restserver

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"holdfast/test/program"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const password = "correct horse"

// server is a running `holdfast rest-server`.
type server struct {
	cmd     *exec.Cmd
	dir     string
	address string
}

// serve starts `holdfast rest-server` on a folder.
func serve(t *testing.T, dir string, flags ...string) *server {
	t.Helper()
	s := &server{dir: dir}
	s.cmd = program.Holdfast(t).Command(append([]string{"rest-server", "--json", "--path", dir}, flags...)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.cmd.Stderr = t.Output()
	out, err := s.cmd.StdoutPipe()
	must(t, err)
	must(t, s.cmd.Start())
	t.Cleanup(func() { s.kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server does not start: %v", err)
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // until it ends
	var m struct{ Address string }
	must(t, json.Unmarshal([]byte(line), &m))
	s.address = m.Address
	return s
}

func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// clients are both programs, on one place.
func clients(t *testing.T, url string, env ...string) (ours, restic program.Program) {
	t.Helper()
	ours = program.Holdfast(t).On(url, password).With(env...)
	restic = program.New(t, tools.Restic(t)).On(url, password).With(env...)
	return ours, restic
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder makes files: a few large ones, and many small.
func folder(t *testing.T, seed uint64, megabytes int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	must(t, os.MkdirAll(filepath.Join(dir, "small"), 0o755))
	var key [32]byte
	key[0] = byte(seed)
	random := mathrand.NewChaCha8(key)
	write := func(name string, size int) {
		data := make([]byte, size)
		random.Read(data)
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	write("large", megabytes<<20)
	for i := range 50 {
		write(filepath.Join("small", string(rune('a'+i%26))+string(rune('a'+i/26))), 1000+i)
	}
	return dir
}

// wantRestored restores the newest snapshot and compares.
func wantRestored(t *testing.T, by program.Program, dir string) {
	t.Helper()
	target := filepath.Join(t.TempDir(), "restored")
	by.Run(t, "restore", "latest", "--target", target)
	out, err := exec.Command("diff", "-r", dir, filepath.Join(target, dir)).CombinedOutput()
	if err != nil {
		t.Errorf("what came back differs: %v\n%s", err, out)
	}
}

// certificate writes a certificate for the loopback and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	keyDER, err := x509.MarshalECPrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
	return cert, key
}

// users writes a password file with one user.
func users(t *testing.T, name, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	must(t, err)
	file := filepath.Join(t.TempDir(), "htpasswd")
	must(t, os.WriteFile(file, []byte(name+":"+string(hash)+"\n"), 0o600))
	return file
}
