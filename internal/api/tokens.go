package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	// tokenPrefix makes a token known for what it is, to people and to
	// programs that look for secrets where they do not belong.
	tokenPrefix = "hft_"
	// tokenBytes of randomness leave nothing to guess, so that one round of
	// SHA-256 is hash enough: there is no password behind it to try.
	tokenBytes = 32
	// firstToken is the name of the token that is made on the first run.
	firstToken = "admin"

	tokenSuffix = ".json"
	maxTokens   = 1000
	// settle is how long a change of the folder may share its time with one
	// that came after: clocks of file systems are coarse.
	settle = 2 * time.Second
)

// Errors of tokens.
var (
	// ErrTokenExists says that another token has the name.
	ErrTokenExists = fmt.Errorf("%w: there is a token of that name", ErrConflict)
	// errNoToken says that a token is unknown, has expired or was revoked.
	errNoToken = errors.New("the token is not known, has expired or was revoked")
)

// TokenInfo is a token without its secret.
type TokenInfo struct {
	// Name tells who uses it: it stands in the audit log.
	Name string `json:"name"`
	// Role says what it may do: viewer, operator or admin.
	Role Role `json:"role"`
	// Created is when it was made, By who made it.
	Created time.Time `json:"created"`
	By      string    `json:"by,omitempty"`
	// Expires is when it ends by itself, zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Damaged is why it cannot be used.
	Damaged string `json:"damaged,omitempty"`
}

// storedToken is a token in its file.
type storedToken struct {
	TokenInfo

	// SHA256 is the hash of the whole token, in hexadecimal digits.
	SHA256 string `json:"sha256"`
}

// Tokens are the tokens of a service: a folder with a file for each, of which
// only a hash is kept. Several processes may use a folder: a new token is a new
// file, and a revoked one is a file that is gone. It is safe for concurrent
// use.
type Tokens struct {
	dir string
	log *slog.Logger
	now func() time.Time
	// changed is told of tokens that came and went since the folder was read
	// before; nil for nobody.
	changed func(made, gone []TokenInfo)

	mu     sync.Mutex
	byHash map[[sha256.Size]byte]TokenInfo
	info   fs.FileInfo // of the folder when it was read, nil for not there
	read   time.Time
	loaded bool
}

// OpenTokens returns the tokens in the state folder of a service, which need
// not be there yet.
func OpenTokens(stateDir string) *Tokens {
	return &Tokens{dir: filepath.Join(stateDir, "tokens"), log: slog.New(slog.DiscardHandler), now: time.Now}
}

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Create makes a token and returns its secret, which is not kept. A lifetime of
// 0 lets it last until it is revoked; by is who asks for it. It returns
// ErrTokenExists for a name that is taken, and ErrInvalid.
func (t *Tokens) Create(name string, role Role, lifetime time.Duration, by string) (string, TokenInfo, error) {
	switch {
	case !tokenName.MatchString(name):
		return "", TokenInfo{}, fmt.Errorf("%w: %q is no name for a token: use up to 64 letters, digits, dots, dashes and underscores", ErrInvalid, name)
	case role < RoleViewer || role > RoleAdmin:
		return "", TokenInfo{}, fmt.Errorf("%w: a token needs a role: viewer, operator or admin", ErrInvalid)
	case lifetime < 0:
		return "", TokenInfo{}, fmt.Errorf("%w: a token cannot have expired before it is made", ErrInvalid)
	case lifetime > 0 && lifetime < time.Second:
		return "", TokenInfo{}, fmt.Errorf("%w: a token lasts a second at least, or 0 for until it is revoked", ErrInvalid)
	}
	if all, err := t.List(); err != nil {
		return "", TokenInfo{}, err
	} else if len(all) >= maxTokens {
		return "", TokenInfo{}, fmt.Errorf("%w: there are %d tokens already; revoke those that nobody uses", ErrConflict, len(all))
	}
	var random [tokenBytes]byte
	rand.Read(random[:]) //nolint:errcheck // never fails
	secret := tokenPrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:]))
	hash := sha256.Sum256([]byte(secret))
	stored := storedToken{TokenInfo{Name: name, Role: role, Created: t.now().UTC().Truncate(time.Second), By: by}, hex.EncodeToString(hash[:])}
	if lifetime > 0 {
		stored.Expires = t.now().UTC().Add(lifetime)
	}
	if err := t.write(stored); err != nil {
		return "", TokenInfo{}, fmt.Errorf("make token %s: %w", name, err)
	}
	return secret, stored.TokenInfo, nil
}

// write makes the file of a token. One that a crash cuts short is no token,
// and can be revoked.
func (t *Tokens) write(s storedToken) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := makeOwned(t.dir); err != nil {
		return err
	}
	path := t.path(s.Name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; revoke it first, or choose another", ErrTokenExists)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = giveToOwnerOf(t.dir, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func (t *Tokens) path(name string) string { return filepath.Join(t.dir, name+tokenSuffix) }

// Revoke removes a token, and with it all sessions that it began. It returns
// ErrNotFound if there is none of that name.
func (t *Tokens) Revoke(name string) error {
	if !tokenName.MatchString(name) {
		return fmt.Errorf("%w: there is no token %q", ErrNotFound, name)
	}
	err := os.Remove(t.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no token %q; `holdfast token list` shows all", ErrNotFound, name)
	}
	if err != nil {
		return fmt.Errorf("revoke token %s: %w", name, err)
	}
	return nil
}

// List returns all tokens by name, also those that expired or are damaged.
func (t *Tokens) List() ([]TokenInfo, error) {
	stored, err := t.readAll()
	if err != nil {
		return nil, err
	}
	all := make([]TokenInfo, 0, len(stored))
	for i := range stored {
		all = append(all, stored[i].TokenInfo)
	}
	return all, nil
}

// readAll reads the folder, by name.
func (t *Tokens) readAll() ([]storedToken, error) {
	entries, err := os.ReadDir(t.dir) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	var all []storedToken
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), tokenSuffix)
		if !ok || !tokenName.MatchString(name) || len(all) == maxTokens {
			continue
		}
		s, err := readToken(t.path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // revoked just now
			continue
		case err != nil:
			s = storedToken{TokenInfo: TokenInfo{Damaged: err.Error()}}
		}
		s.Name = name
		all = append(all, s)
	}
	return all, nil
}

func readToken(path string) (storedToken, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return storedToken{}, err
	}
	var s storedToken
	if err := json.Unmarshal(text, &s); err != nil {
		return storedToken{}, fmt.Errorf("its file cannot be read: %w; revoke it and make another", err)
	}
	if hash, err := hex.DecodeString(s.SHA256); err != nil || len(hash) != sha256.Size {
		return storedToken{}, errors.New("its file has no hash; revoke it and make another")
	}
	return s, nil
}

// find returns the token with a secret. What it looks up is a hash, of which
// the time that a comparison takes tells nothing about the secret.
func (t *Tokens) find(secret string) ([sha256.Size]byte, TokenInfo, error) {
	hash := sha256.Sum256([]byte(secret))
	info, err := t.byID(hash)
	return hash, info, err
}

// byID returns the token with a hash, if it counts now.
func (t *Tokens) byID(hash [sha256.Size]byte) (TokenInfo, error) {
	if err := t.refresh(); err != nil {
		return TokenInfo{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	info, ok := t.byHash[hash]
	if !ok || !info.Expires.IsZero() && !t.now().Before(info.Expires) {
		return TokenInfo{}, errNoToken
	}
	return info, nil
}

// refresh reads the folder again if it changed. One that cannot be read lets
// nobody in: what was revoked may be among what was known.
func (t *Tokens) refresh() error {
	made, gone, err := t.reread()
	if t.changed != nil && len(made)+len(gone) > 0 {
		t.changed(made, gone)
	}
	return err
}

func (t *Tokens) reread() (made, gone []TokenInfo, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.dir)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = nil, nil
	}
	if err == nil && t.loaded && t.unchanged(info) {
		return nil, nil, nil
	}
	var all []storedToken
	began := t.now()
	if err == nil {
		all, err = t.readAll()
	}
	if err != nil {
		t.byHash, t.loaded = nil, false
		return nil, nil, fmt.Errorf("look at the tokens: %w", err)
	}
	byHash := t.usable(all)
	if t.byHash != nil {
		made, gone = lacking(byHash, t.byHash), lacking(t.byHash, byHash)
	}
	t.byHash, t.info, t.read, t.loaded = byHash, info, began, true
	return made, gone, nil
}

// usable returns the tokens that have no damage, by their hashes.
func (t *Tokens) usable(all []storedToken) map[[sha256.Size]byte]TokenInfo {
	byHash := make(map[[sha256.Size]byte]TokenInfo, len(all))
	for i := range all {
		if all[i].Damaged != "" {
			t.log.Warn("a token cannot be used", "token", all[i].Name, "error", all[i].Damaged)
			continue
		}
		var hash [sha256.Size]byte
		hex.Decode(hash[:], []byte(all[i].SHA256)) //nolint:errcheck // readToken looked
		byHash[hash] = all[i].TokenInfo
	}
	return byHash
}

// lacking returns the tokens that others lack.
func lacking(tokens, others map[[sha256.Size]byte]TokenInfo) (lacking []TokenInfo) {
	for hash, info := range tokens {
		if _, ok := others[hash]; !ok {
			lacking = append(lacking, info)
		}
	}
	return lacking
}

func (t *Tokens) unchanged(info fs.FileInfo) bool {
	if info == nil || t.info == nil {
		return info == nil && t.info == nil
	}
	return os.SameFile(info, t.info) && info.ModTime().Equal(t.info.ModTime()) && t.read.Sub(info.ModTime()).Abs() > settle
}

// first makes the token of an administrator where no token ever was, and
// returns "" anywhere else: whoever revoked all of them wants none.
func (t *Tokens) first() (string, error) {
	if _, err := os.Stat(t.dir); !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret, _, err := t.Create(firstToken, RoleAdmin, 0, "holdfast serve")
	return secret, err
}
