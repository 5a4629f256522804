package repository

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// farOptions are those of a repository far away, with a cache.
func farOptions(t *testing.T, password string) Options {
	t.Helper()
	return Options{Password: []byte(password), CacheDir: t.TempDir(), CacheObjects: true}
}

// opening returns how long it takes to open a repository with 50 ms to each
// answer, and how many requests.
func opening(t *testing.T, s *mem.Store, o Options) (took time.Duration, requests int, key string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		away := fault.New(s, 1, fault.Rule{Fault: fault.Delay(50 * time.Millisecond)})
		start := time.Now()
		var r *Repository
		if r, err = Open(t.Context(), away, o); err == nil {
			key = r.KeyID().String()
			err = r.Close()
		}
		took, requests = time.Since(start), away.Count()
	})
	return took, requests, key, err
}

func TestKeyThatOpenedLastIsReadBesideTheList(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	const trip = 50 * time.Millisecond
	o := farOptions(t, string(testPassword))
	for n, want := range []time.Duration{2 * trip, trip, trip} {
		took, requests, key, err := opening(t, s, o)
		if err != nil || took != want || requests != 3 || key != r.KeyID().String() {
			t.Errorf("opening %d: %v and %d requests, want %v and 3; %v", n, took, requests, want, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(o.CacheDir, "key-*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	// Nothing is kept that helps to guess a password.
	if text, err := os.ReadFile(files[0]); err != nil || string(text) != r.KeyID().String() {
		t.Errorf("%q is remembered, %v", text, err)
	}
	for _, text := range []string{"", "nonsense", r.KeyID().String() + "\n", r.ID()} {
		if err := os.WriteFile(files[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, key, err := opening(t, s, o); err != nil || key != r.KeyID().String() {
			t.Errorf("with %q in place of the ID: %s, %v", text, key, err)
		}
	}
	if err := os.Chtimes(files[0], time.Time{}, time.Now().Add(-48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := CleanCache(o.CacheDir, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(files[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key of a place that nobody uses is still remembered: %v", err)
	}
}

// What is remembered decides nothing: keys that are gone, damaged or of another
// password are what they are without it.
func TestRememberedKeyDecidesNothing(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	second := addKey(t, r, "second")
	o := farOptions(t, "second")
	open := func(password, hint string) (string, error) {
		t.Helper()
		o.Password, o.KeyHint = []byte(password), hint
		_, _, key, err := opening(t, s, o)
		return key, err
	}
	if key, err := open("second", ""); err != nil || key != second.String() {
		t.Fatal(key, err)
	}
	if key, err := open(string(testPassword), ""); err != nil || key != r.KeyID().String() {
		t.Errorf("another password: %s, %v", key, err)
	}
	if _, err := open("second", ""); err != nil {
		t.Error(err)
	}
	if key, err := open(string(testPassword), r.KeyID().String()[:8]); err != nil || key != r.KeyID().String() {
		t.Errorf("a hint: %s, %v", key, err)
	}
	if _, err := open("second", ""); err != nil {
		t.Error(err)
	}
	_, without := Open(t.Context(), s, Options{Password: []byte("wrong")})
	if _, err := open("wrong", ""); !errors.Is(err, ErrWrongPassword) || err.Error() != without.Error() {
		t.Errorf("a wrong password: %v, and without a cache: %v", err, without)
	}
	data, err := readFile(t.Context(), s, KeyFile, second)
	if err != nil {
		t.Fatal(err)
	}
	data = append([]byte(nil), data...)
	data[len(data)/2] ^= 1
	s.Overwrite(KeyFile.Key(second), data)
	_, without = Open(t.Context(), s, Options{Password: []byte("second")})
	if _, err := open("second", ""); (err == nil) != (without == nil) || err != nil && err.Error() != without.Error() {
		t.Errorf("a damaged key: %v, and without a cache: %v", err, without)
	}
	if err := s.Delete(t.Context(), KeyFile.Key(second)); err != nil {
		t.Fatal(err)
	}
	_, without = Open(t.Context(), s, Options{Password: []byte("second")})
	if _, err := open("second", ""); !errors.Is(err, ErrWrongPassword) || err.Error() != without.Error() {
		t.Errorf("a removed key: %v, and without a cache: %v", err, without)
	}
}
