package archive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

// Keys are what an archive is encrypted to: recipients or one passphrase.
type Keys struct {
	recipients []age.Recipient
	public     []string
	passphrase bool
}

// Public are the public keys of those who can open the archive, none with a
// passphrase.
func (k *Keys) Public() []string { return k.public }

// IsZero tells whether nobody could open the archive.
func (k *Keys) IsZero() bool { return len(k.recipients) == 0 }

// errMixed: age takes a passphrase alone, so that whoever knows it knows that
// nobody else can read the file.
var errMixed = errors.New("an archive is encrypted to recipients or with a passphrase, not both")

// AddRecipient adds a public key: age1... or that of an SSH key (ssh-ed25519
// or ssh-rsa).
func (k *Keys) AddRecipient(text string) error {
	if k.passphrase {
		return errMixed
	}
	text = strings.TrimSpace(text)
	var r age.Recipient
	var err error
	switch {
	case strings.HasPrefix(text, "ssh-"):
		r, err = agessh.ParseRecipient(text)
	case strings.HasPrefix(text, "age1pq1"):
		r, err = age.ParseHybridRecipient(text)
	case strings.HasPrefix(text, "age1"):
		r, err = age.ParseX25519Recipient(text)
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-"):
		// The text is a secret: it must not get into the message.
		err = errors.New("this is a secret key; give the public one, which begins with age1")
	default:
		err = errors.New("want a public key that begins with age1, ssh-ed25519 or ssh-rsa")
	}
	if err != nil {
		return fmt.Errorf("recipient: %w", err)
	}
	k.recipients = append(k.recipients, r)
	k.public = append(k.public, withoutComment(text))
	return nil
}

// withoutComment leaves out what follows an SSH key: often somebody's name.
func withoutComment(key string) string {
	fields := strings.Fields(key)
	return strings.Join(fields[:min(2, len(fields))], " ")
}

// AddRecipients adds those of a file: one a line, with # comments.
func (k *Keys) AddRecipients(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read recipients: %w", err)
	}
	before := len(k.recipients)
	for n, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := k.AddRecipient(line); err != nil {
			return fmt.Errorf("%s, line %d: %w", path, n+1, err)
		}
	}
	if len(k.recipients) == before {
		return fmt.Errorf("%s names no recipients", path)
	}
	return nil
}

// SetPassphrase encrypts with a passphrase.
func (k *Keys) SetPassphrase(passphrase []byte) error {
	if len(k.recipients) > 0 {
		return errMixed
	}
	if len(passphrase) == 0 {
		return errors.New("an empty passphrase protects nothing")
	}
	r, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return fmt.Errorf("passphrase: %w", err)
	}
	k.recipients, k.passphrase = []age.Recipient{r}, true
	return nil
}

// Identities open archives. The zero value opens none.
type Identities struct{ list []age.Identity }

// IsZero tells whether there are none.
func (i *Identities) IsZero() bool { return len(i.list) == 0 }

// AddFile adds the secret keys of a file: those of age-keygen, or an SSH key.
// ask is asked for the passphrase of an SSH key that has one.
func (i *Identities) AddFile(path string, ask func(prompt string) ([]byte, error)) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	switch {
	case bytes.Contains(data, []byte("PRIVATE KEY-----")):
		err = i.addSSH(path, data, ask)
	case bytes.HasPrefix(data, []byte("age-encryption.org/")), bytes.HasPrefix(data, []byte("-----BEGIN AGE")):
		err = errors.New("it is encrypted: open it with age first, and give what comes out")
	default:
		var list []age.Identity
		list, err = age.ParseIdentities(bytes.NewReader(data))
		i.list = append(i.list, list...)
	}
	if err != nil {
		return fmt.Errorf("identity %s: %w", path, err)
	}
	return nil
}

func (i *Identities) addSSH(path string, pem []byte, ask func(prompt string) ([]byte, error)) error {
	identity, err := agessh.ParseIdentity(pem)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if locked.PublicKey == nil {
			return errors.New("it has a passphrase and is of an old form: rewrite it with ssh-keygen -p -f FILE")
		}
		identity, err = agessh.NewEncryptedSSHIdentity(locked.PublicKey, pem, func() ([]byte, error) {
			return ask("passphrase of " + path + ": ")
		})
	}
	if err != nil {
		return err
	}
	i.list = append(i.list, identity)
	return nil
}

// AddPassphrase adds a passphrase.
func (i *Identities) AddPassphrase(passphrase []byte) error {
	identity, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return fmt.Errorf("passphrase: %w", err)
	}
	i.list = append(i.list, identity)
	return nil
}
