package sftp

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// identities are what can be shown to a server to be let in.
type identities struct {
	given      string   // a private key that must exist, "" for none
	files      []string // private keys that may exist
	agent      string   // socket of the agent, "" for none
	only       bool     // of the agent's keys, only those of the files
	passphrase string
	password   string
}

// login gathers keys for one handshake. Its close ends the talk with the
// agent, which signs during the handshake.
type login struct {
	id      *identities
	signers []ssh.Signer
	notes   []string // what was left out, for the error message
	wanted  [][]byte // public keys of files that only the agent can open
	socket  net.Conn
}

func (id *identities) login() (*login, error) {
	l := &login{id: id}
	if id.given != "" {
		if err := l.addFile(id.given, true); err != nil {
			return nil, err
		}
	}
	for _, file := range id.files {
		if err := l.addFile(file, false); err != nil {
			l.note("%v", err)
		}
	}
	l.addAgent()
	return l, nil
}

func (l *login) close() {
	if l.socket != nil {
		l.socket.Close()
	}
}

func (l *login) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// addFile adds a private key and the certificate beside it.
func (l *login) addFile(file string, must bool) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !must {
		l.wantPublic(file) // the key may lie in the agent alone
		return nil
	}
	if err != nil {
		return fmt.Errorf("read private key: %w", err)
	}
	signer, err := l.parse(file, data)
	if err != nil || signer == nil {
		return err
	}
	if certified := withCertificate(file, signer); certified != nil {
		l.signers = append(l.signers, certified)
	}
	l.signers = append(l.signers, signer)
	return nil
}

// parse opens a private key. An encrypted one without a passphrase is left
// to the agent, and gives nil.
func (l *login) parse(file string, data []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(data)
	var encrypted *ssh.PassphraseMissingError
	if !errors.As(err, &encrypted) {
		if err != nil {
			return nil, fmt.Errorf("private key %s: %w", file, err)
		}
		return signer, nil
	}
	if l.id.passphrase != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(data, []byte(l.id.passphrase))
		if err != nil {
			return nil, fmt.Errorf("private key %s: the passphrase in HOLDFAST_SFTP_KEY_PASSPHRASE does not open it", file)
		}
		return signer, nil
	}
	if encrypted.PublicKey != nil {
		l.wanted = append(l.wanted, encrypted.PublicKey.Marshal())
	} else {
		l.wantPublic(file)
	}
	l.note("private key %s is encrypted: load it into the agent (ssh-add %s) or set HOLDFAST_SFTP_KEY_PASSPHRASE", file, file)
	return nil, nil //nolint:nilnil // left to the agent
}

// wantPublic remembers the public half of a key.
func (l *login) wantPublic(file string) {
	data, err := os.ReadFile(strings.TrimSuffix(file, ".pub") + ".pub")
	if err != nil {
		return
	}
	if key, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		l.wanted = append(l.wanted, key.Marshal())
	}
}

func withCertificate(file string, signer ssh.Signer) ssh.Signer {
	data, err := os.ReadFile(file + "-cert.pub")
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return nil
	}
	certified, err := ssh.NewCertSigner(certificate, signer)
	if err != nil {
		return nil
	}
	return certified
}

// addAgent adds the keys of the agent: those of the files first, because
// servers end the talk after a handful of keys (MaxAuthTries).
func (l *login) addAgent() {
	if l.id.agent == "" {
		return
	}
	socket, err := net.Dial("unix", l.id.agent)
	if err != nil {
		l.note("the agent does not answer: %v", err)
		return
	}
	signers, err := agent.NewClient(socket).Signers()
	if err != nil {
		socket.Close()
		l.note("the agent gives no keys: %v", err)
		return
	}
	l.socket = socket
	var first, others []ssh.Signer
	for _, s := range signers {
		switch key := s.PublicKey().Marshal(); {
		case l.has(key):
		case l.wants(key):
			first = append(first, s)
		case !l.id.only:
			others = append(others, s)
		}
	}
	l.signers = append(first, append(l.signers, others...)...)
}

func (l *login) has(key []byte) bool {
	for _, s := range l.signers {
		if bytes.Equal(s.PublicKey().Marshal(), key) {
			return true
		}
	}
	return false
}

func (l *login) wants(key []byte) bool {
	for _, w := range l.wanted {
		if bytes.Equal(w, key) {
			return true
		}
	}
	return false
}

// methods are what the handshake tries, in order.
func (l *login) methods() []ssh.AuthMethod {
	var methods []ssh.AuthMethod
	if len(l.signers) > 0 {
		methods = append(methods, ssh.PublicKeys(l.signers...))
	}
	if l.id.password != "" {
		methods = append(methods, ssh.Password(l.id.password), ssh.KeyboardInteractive(l.answer))
	}
	return methods
}

// answer gives the password to a server that asks one question in its own
// words.
func (l *login) answer(_, _ string, questions []string, echos []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i := range questions {
		if echos[i] || len(questions) > 1 {
			return nil, errors.New("the server asks for more than a password")
		}
		answers[i] = l.id.password
	}
	return answers, nil
}

// refused explains why nobody was let in.
func (l *login) refused(t *target, err error) error {
	var tried []string
	for _, s := range l.signers {
		tried = append(tried, s.PublicKey().Type()+" "+ssh.FingerprintSHA256(s.PublicKey()))
	}
	text := fmt.Sprintf("%s does not let %s in: %v", t.alias, t.user, err)
	if len(tried) > 0 {
		text += "; keys shown: " + strings.Join(tried, ", ")
	} else {
		text += "; there was no key to show"
	}
	for _, note := range l.notes {
		text += "; " + note
	}
	return &TrustError{text: text}
}
