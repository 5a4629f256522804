package sftp

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownName is the name a server has in known_hosts.
func knownName(host string, port int) string {
	return knownhosts.Normalize(net.JoinHostPort(host, strconv.Itoa(port)))
}

// hostKeys compares the key of one server with those that are known.
type hostKeys struct {
	t     *target
	check ssh.HostKeyCallback
	files []string // those that exist
}

func newHostKeys(t *target) (*hostKeys, error) {
	h := &hostKeys{t: t}
	for _, file := range t.knownHosts {
		if _, err := os.Stat(file); err == nil {
			h.files = append(h.files, file)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the known hosts: %w", err)
		}
	}
	var err error
	if h.check, err = knownhosts.New(h.files...); err != nil {
		return nil, fmt.Errorf("read the known hosts: %w", err)
	}
	return h, nil
}

// address is the server as known_hosts knows it, in the form the check wants.
func (h *hostKeys) address() string {
	if _, _, err := net.SplitHostPort(h.t.knownAs); err == nil {
		return h.t.knownAs
	}
	return net.JoinHostPort(strings.Trim(h.t.knownAs, "[]"), "22")
}

// verify is the ssh.HostKeyCallback. Only names count: an address may belong
// to another machine tomorrow.
func (h *hostKeys) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
	err := h.check(h.address(), noAddress{}, key)
	if err == nil {
		return nil
	}
	var revoked *knownhosts.RevokedError
	var unknown *knownhosts.KeyError
	switch {
	case errors.As(err, &revoked):
		return &TrustError{text: fmt.Sprintf("the key of %s is marked as revoked in %s line %d; do not use this server", h.t.knownAs, revoked.Revoked.Filename, revoked.Revoked.Line)}
	case errors.As(err, &unknown) && len(unknown.Want) > 0:
		return h.changed(key, unknown.Want)
	case errors.As(err, &unknown):
		return h.unknown(key)
	}
	return &TrustError{text: fmt.Sprintf("the key of %s: %v", h.t.knownAs, err)}
}

func (h *hostKeys) unknown(key ssh.PublicKey) error {
	file := "~/.ssh/known_hosts"
	if len(h.t.knownHosts) > 0 {
		file = h.t.knownHosts[0]
	}
	return &TrustError{text: fmt.Sprintf(
		"the server %s is not known here. It shows the key\n  %s %s\n"+
			"Compare this with what its owner says (there: ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub). If it is the same, run\n  %s",
		h.t.knownAs, key.Type(), ssh.FingerprintSHA256(key), shortType(key), h.learn(file, key),
	)}
}

// learn is the command that adds the very key that was shown. ssh-keyscan
// would ask the server once more, and anybody may answer that.
func (h *hostKeys) learn(file string, key ssh.PublicKey) string {
	return fmt.Sprintf("echo '%s' >> %s", knownhosts.Line([]string{h.t.knownAs}, key), file)
}

func (h *hostKeys) changed(key ssh.PublicKey, known []knownhosts.KnownKey) error {
	var lines []string
	for _, k := range known {
		lines = append(lines, fmt.Sprintf("  %s %s (%s line %d)", k.Key.Type(), ssh.FingerprintSHA256(k.Key), k.Filename, k.Line))
	}
	return &TrustError{text: fmt.Sprintf(
		"THE KEY OF %s HAS CHANGED. Either the server was set up anew, or somebody stands between it and this machine. It shows\n  %s %s\nand known is\n%s\n"+
			"Nothing was sent. If its owner confirms the new key, run\n  ssh-keygen -R '%s' -f %s\n  %s",
		h.t.knownAs, key.Type(), ssh.FingerprintSHA256(key), strings.Join(lines, "\n"), h.t.knownAs, known[0].Filename, h.learn(known[0].Filename, key),
	)}
}

// algorithms returns the kinds of keys that are known of the server, so that
// it is not asked for one that is not; nil for the default.
func (h *hostKeys) algorithms() []string {
	var known *knownhosts.KeyError
	if !errors.As(h.check(h.address(), noAddress{}, noKey{}), &known) {
		return nil
	}
	has := map[string]bool{}
	for _, k := range known.Want {
		has[k.Key.Type()] = true
	}
	var all []string
	for _, algorithm := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521} {
		if has[algorithm] {
			all = append(all, algorithm)
		}
	}
	if has[ssh.KeyAlgoRSA] {
		all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
	}
	if len(all) > 0 && h.hasAuthority() {
		all = append([]string{ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01}, all...)
	}
	return all
}

// hasAuthority tells whether known_hosts trusts authorities.
func (h *hostKeys) hasAuthority() bool {
	for _, file := range h.files {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), "@cert-authority") {
			return true
		}
	}
	return false
}

func shortType(key ssh.PublicKey) string {
	switch t := key.Type(); {
	case t == ssh.KeyAlgoRSA:
		return "rsa"
	case strings.HasPrefix(t, "ecdsa"):
		return "ecdsa"
	default:
		return "ed25519"
	}
}

// TrustError says that a server is not the one that is known, or would not
// let us in. Trying again is pointless: it passes for fs.ErrPermission.
type TrustError struct{ text string }

func (e *TrustError) Error() string { return e.text }

// Is makes the error one that is not tried again.
func (e *TrustError) Is(target error) bool { return target == fs.ErrPermission }

// noAddress stands for the address of a server, which is not looked at.
type noAddress struct{}

func (noAddress) Network() string { return "tcp" }
func (noAddress) String() string  { return "0.0.0.0:0" }

// noKey is a key nobody has, to be told which ones are known.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
