package restserver

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what htpasswd -s writes
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// reloadEvery is how often the file is looked at for changes.
	reloadEvery = 10 * time.Second
	// rememberFor is how long a password that was right needs no new check:
	// bcrypt takes longer than most requests.
	rememberFor = time.Minute
	// maxRemembered bounds what is remembered: users times their passwords.
	maxRemembered = 1000
)

// authenticate returns who sends a request, and whether to serve them.
func (s *Server) authenticate(r *http.Request) (user string, ok bool) {
	if s.config.NoAuth {
		return "", true
	}
	if header := s.config.ProxyAuthUsername; header != "" {
		user = r.Header.Get(header)
		return user, validUser(user)
	}
	user, password, ok := r.BasicAuth()
	if !ok || !s.users.check(user, password) {
		return "", false
	}
	return user, true
}

// validUser tells whether a name may be one of a user, and so of a folder.
func validUser(name string) bool {
	for _, r := range name {
		if r < ' ' || strings.ContainsRune(`/\:"`, r) {
			return false
		}
	}
	return name != "" && name != "." && name != ".."
}

// htpasswd holds users and the hashes of their passwords, as the program
// htpasswd writes them with -B (bcrypt) or -s (SHA-1).
type htpasswd struct {
	file   string
	log    *slog.Logger
	salt   [16]byte      // of remembered
	checks chan struct{} // holds one token for each bcrypt under way

	mu         sync.Mutex
	users      map[string]string
	looked     time.Time
	info       fs.FileInfo
	remembered map[[sha256.Size]byte]time.Time // passwords that were right, until when
}

func readHtpasswd(file string, log *slog.Logger) (*htpasswd, error) {
	h := &htpasswd{file: file, log: log, checks: make(chan struct{}, runtime.GOMAXPROCS(0))}
	rand.Read(h.salt[:]) //nolint:errcheck // never fails
	if err := h.load(); err != nil {
		return nil, fmt.Errorf("%w; make it with `htpasswd -B -c %s USER`, or use --no-auth to let everybody in", err, file)
	}
	return h, nil
}

// load reads the file. A file that cannot be used changes nothing.
func (h *htpasswd) load() error {
	f, err := os.Open(h.file)
	if err != nil {
		return fmt.Errorf("read the users: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the users: %w", err)
	}
	users := map[string]string{}
	lines := bufio.NewScanner(f)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, hash, _ := strings.Cut(line, ":")
		hash, _, _ = strings.Cut(hash, ":") // what may follow is a comment
		switch {
		case !validUser(user):
			return fmt.Errorf("read the users: %s line %d: %q is no user", h.file, number, user)
		case !isBcrypt(hash) && !strings.HasPrefix(hash, shaPrefix):
			return fmt.Errorf("read the users: %s line %d: the password of %s is hashed in a way that is not safe or not known; use htpasswd -B", h.file, number, user)
		case users[user] != "":
			return fmt.Errorf("read the users: %s line %d: user %s is there twice", h.file, number, user)
		}
		users[user] = hash
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the users: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users, h.info, h.looked = users, info, time.Now()
	h.remembered = map[[sha256.Size]byte]time.Time{}
	return nil
}

// reload follows changes of the file.
func (h *htpasswd) reload() {
	h.mu.Lock()
	due := time.Since(h.looked) >= reloadEvery
	if due {
		h.looked = time.Now()
	}
	before := h.info
	h.mu.Unlock()
	if !due {
		return
	}
	info, err := os.Stat(h.file)
	if err == nil && info.ModTime().Equal(before.ModTime()) && info.Size() == before.Size() {
		return
	}
	if err == nil {
		err = h.load()
	}
	if err != nil {
		h.log.Warn("the users stay as they were", "error", err)
		return
	}
	h.log.Info("users read anew", "file", h.file)
}

const shaPrefix = "{SHA}"

func isBcrypt(hash string) bool {
	return strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")
}

// nobody is the hash of a password that no user has: a name that does not
// exist takes as long to refuse as one that does.
const nobody = "$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5B0p9uOxWkl0B7NcN5k7MkcXqRrK."

// check tells whether the password is the one of the user.
func (h *htpasswd) check(user, password string) bool {
	h.reload()
	proof := sha256.Sum256(append(append(h.salt[:len(h.salt):len(h.salt)], user+"\x00"...), password...))
	h.mu.Lock()
	hash, known := h.users[user]
	remembered := time.Now().Before(h.remembered[proof])
	h.mu.Unlock()
	if remembered {
		return true
	}
	if !known {
		hash = nobody
	}
	if !h.matches(hash, password) || !known {
		h.log.Warn("wrong user or password", "user", plain(user))
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.remembered) >= maxRemembered {
		clear(h.remembered)
	}
	if h.users[user] == hash { // and was not changed meanwhile
		h.remembered[proof] = time.Now().Add(rememberFor)
	}
	return true
}

// matches compares a password with its hash. Guessing takes no more than the
// processors there are.
func (h *htpasswd) matches(hash, password string) bool {
	h.checks <- struct{}{}
	defer func() { <-h.checks }()
	if want, ok := strings.CutPrefix(hash, shaPrefix); ok {
		sum := sha1.Sum([]byte(password)) //nolint:gosec // see the import
		return subtle.ConstantTimeCompare([]byte(want), []byte(base64.StdEncoding.EncodeToString(sum[:]))) == 1
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		h.log.Warn("a password cannot be checked", "error", err)
	}
	return err == nil
}
