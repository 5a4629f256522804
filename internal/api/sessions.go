package api

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// sessionIdle is how long a session lasts that nobody uses, sessionAge how
	// long one lasts at all.
	sessionIdle = 12 * time.Hour
	sessionAge  = 7 * 24 * time.Hour
	// maxSessions bounds how many there are. Of the token that began most, the
	// one not used for longest goes: nobody logs others out.
	maxSessions = 1000
	// noteUse is how old what is on disk of the last use may be.
	noteUse = 5 * time.Minute
)

// sessionKey is the hash of a session's ID: the ID is kept by the browser
// alone.
type sessionKey [sha256.Size]byte

func keyOf(id string) sessionKey { return sha256.Sum256([]byte(id)) }

// MarshalText writes the hash in hexadecimal digits.
func (k sessionKey) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(k[:])), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *sessionKey) UnmarshalText(text []byte) error {
	n, err := hex.Decode(k[:], text[:min(len(text), 2*len(k))])
	if err == nil && (n != len(k) || len(text) != 2*len(k)) {
		err = errors.New("not a hash")
	}
	return err
}

// session is what somebody began with a token. What they may is what the token
// may at each moment, and nothing once it is revoked.
type session struct {
	Token   sessionKey `json:"token"` // hash of the token
	Created time.Time  `json:"created"`
	Used    time.Time  `json:"used"`
}

func (s *session) ended(now time.Time) bool {
	return now.Sub(s.Used) > sessionIdle || now.Sub(s.Created) > sessionAge || s.Created.Sub(now) > sessionIdle // the clock was set back
}

// sessions are those that last, by the hash of their ID. They are in a file
// too, so that nobody is logged out when the service starts again; only one
// process uses it.
type sessions struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu    sync.Mutex
	all   map[sessionKey]*session
	saved time.Time
}

func openSessions(path string, log *slog.Logger, now func() time.Time) *sessions {
	s := &sessions{path: path, log: log, now: now, all: make(map[sessionKey]*session)}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &s.all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("everybody is logged out: the sessions cannot be read", "error", err)
		s.all = make(map[sessionKey]*session)
	}
	maps.DeleteFunc(s.all, func(_ sessionKey, one *session) bool { return one == nil || one.ended(now()) })
	return s
}

// begin makes a session for who has a token, and returns its new ID.
func (s *sessions) begin(token sessionKey) string {
	var random [tokenBytes]byte
	rand.Read(random[:]) //nolint:errcheck // never fails
	id := base64.RawURLEncoding.EncodeToString(random[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.all, func(_ sessionKey, one *session) bool { return one.ended(now) })
	if len(s.all) >= maxSessions {
		delete(s.all, s.spare())
	}
	s.all[keyOf(id)] = &session{Token: token, Created: now, Used: now}
	s.save()
	return id
}

// spare is the session that goes when there are too many.
func (s *sessions) spare() (spare sessionKey) {
	began := make(map[sessionKey]int)
	for _, one := range s.all {
		began[one.Token]++
	}
	var last *session
	for id, one := range s.all {
		if last == nil || cmp.Or(cmp.Compare(began[last.Token], began[one.Token]), one.Used.Compare(last.Used)) < 0 {
			spare, last = id, one
		}
	}
	return spare
}

// find returns the token of a session that lasts, and notes its use.
func (s *sessions) find(id string) (token sessionKey, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	one := s.all[keyOf(id)]
	if one == nil || one.ended(now) {
		return token, false
	}
	one.Used = now
	if now.Sub(s.saved).Abs() > noteUse {
		s.save()
	}
	return one.Token, true
}

// lasts tells whether a session has not ended, without using it.
func (s *sessions) lasts(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[keyOf(id)]
	return one != nil && !one.ended(s.now())
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[keyOf(id)] != nil {
		delete(s.all, keyOf(id))
		s.save()
	}
}

// save writes all sessions to their file. If it cannot they last as long as
// the service does.
func (s *sessions) save() {
	s.saved = s.now()
	text, err := json.Marshal(s.all)
	if err == nil {
		err = replaceFile(s.path, text)
	}
	if err != nil {
		s.log.Warn("sessions will not outlast the service", "error", err)
	}
}

// replaceFile writes a file so that there is all of it or what there was.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), os.Remove(f.Name()))
	}
	return nil
}

// csrfOf is what forms of a session carry. It follows from the ID, which no
// other site knows, and tells nothing about it.
func csrfOf(id string) string {
	sum := sha256.Sum256([]byte("holdfast csrf\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
