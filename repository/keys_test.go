package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func open(t *testing.T, s storage.Store, password, hint string) (*Repository, error) {
	t.Helper()
	return Open(t.Context(), s, Options{Password: []byte(password), KeyHint: hint})
}

func addKey(t *testing.T, r *Repository, password string) id.ID {
	t.Helper()
	i, err := r.AddKey(t.Context(), []byte(password), weakKey)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestKeys(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	first := r.KeyID()
	second := addKey(t, r, "second")
	keys, err := r.Keys(t.Context())
	if err != nil || len(keys) != 2 {
		t.Fatalf("%v, %v", keys, err)
	}
	for _, k := range keys {
		if k.Current != (k.ID == first) || time.Since(k.Created) > time.Hour || k.Hostname == "" {
			t.Errorf("%+v", k)
		}
	}
	for _, password := range []string{string(testPassword), "second"} {
		if _, err := open(t, s, password, ""); err != nil {
			t.Error(err)
		}
	}
	if err := r.RemoveKey(t.Context(), first); err == nil {
		t.Error("the key in use is removed")
	}
	if err := r.RemoveKey(t.Context(), second); err != nil {
		t.Error(err)
	}
	if _, err := open(t, s, "second", ""); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("a removed key: %v", err)
	}
	if _, err := r.AddKey(t.Context(), nil, weakKey); err == nil {
		t.Error("an empty password is added")
	}
	ro := openRepository(t, s, Options{ReadOnly: true})
	if _, err := ro.AddKey(t.Context(), []byte("x"), weakKey); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
}

// What is wrong decides what the user is told, and the exit code.
func TestWhyARepositoryDoesNotOpen(t *testing.T) {
	errStore := errors.New("connection reset")
	tests := map[string]struct {
		change   func(t *testing.T, s *mem.Store, key string)
		fault    *fault.Rule
		password string
		want     error // nil: it opens
		wrong    bool  // counts as a wrong password
		corrupt  bool
	}{
		"sound":                 {password: "correct horse"},
		"wrong password":        {password: "battery staple", want: ErrWrongPassword, wrong: true},
		"no password":           {want: ErrWrongPassword, wrong: true},
		"key cut short":         {change: func(t *testing.T, s *mem.Store, key string) { damage(t, s, key, cutTo(100)) }, password: "correct horse", want: seal.ErrDamagedKeyFile, corrupt: true},
		"key empty":             {change: func(t *testing.T, s *mem.Store, key string) { damage(t, s, key, cutTo(0)) }, password: "correct horse", want: seal.ErrDamagedKeyFile, corrupt: true},
		"flip in the secret":    {change: flipInside(`"data":"`), password: "correct horse", corrupt: true, want: errAny},
		"flip in the user name": {change: flipInside(`"hostname":"`), password: "correct horse"},
		"another damaged key": {change: func(_ *testing.T, s *mem.Store, _ string) {
			s.Overwrite(KeyFile.Key(id.ID{}), []byte("{"))
		}, password: "correct horse"},
		"another damaged key, wrong password": {change: func(_ *testing.T, s *mem.Store, _ string) {
			s.Overwrite(KeyFile.Key(id.ID{}), []byte("{"))
		}, password: "battery staple", want: ErrWrongPassword, wrong: true, corrupt: true},
		"no key":                 {change: func(t *testing.T, s *mem.Store, key string) { _ = s.Delete(t.Context(), key) }, password: "correct horse", want: errAny},
		"no config":              {change: func(t *testing.T, s *mem.Store, _ string) { _ = s.Delete(t.Context(), configKey) }, password: "correct horse", want: ErrNoRepository},
		"config damaged":         {change: func(t *testing.T, s *mem.Store, _ string) { damage(t, s, configKey, flipBit(40)) }, password: "correct horse", want: seal.ErrUnauthenticated, corrupt: true},
		"key cannot be read":     {fault: &fault.Rule{Op: fault.OpGet, Prefix: "keys/", Fault: fault.Before(errStore)}, password: "correct horse", want: errStore},
		"config cannot be read":  {fault: &fault.Rule{Op: fault.OpGet, Prefix: "config", Fault: fault.Before(errStore)}, password: "correct horse", want: errStore},
		"left by a cut-off init": {change: addForeignKeys, password: "correct horse"},
	}
	base := mem.New()
	r := initRepository(t, base, Options{})
	for name, test := range tests {
		s := base.Clone()
		if test.change != nil {
			test.change(t, s, KeyFile.Key(r.KeyID()))
		}
		f := fault.New(s, 1)
		if test.fault != nil {
			f.Add(*test.fault)
		}
		_, err := open(t, f, test.password, "")
		switch {
		case (err == nil) != (test.want == nil), test.want != errAny && !errors.Is(err, test.want):
			t.Errorf("%s: %v, want %v", name, err, test.want)
		case errors.Is(err, ErrWrongPassword) != test.wrong, IsCorrupt(err) != test.corrupt:
			t.Errorf("%s: wrong password: %v, damaged: %v: %v", name, errors.Is(err, ErrWrongPassword), IsCorrupt(err), err)
		}
	}
}

// errAny stands for any error.
var errAny = errors.New("any")

// flipInside flips a bit in the value that follows a JSON field's name.
func flipInside(field string) func(*testing.T, *mem.Store, string) {
	return func(t *testing.T, s *mem.Store, key string) {
		damage(t, s, key, func(b []byte) []byte {
			b[bytes.Index(b, []byte(field))+len(field)] ^= 1
			return b
		})
	}
}

// addForeignKeys adds keys of the same password that open another repository,
// on both sides of the order of IDs.
func addForeignKeys(t *testing.T, s *mem.Store, _ string) {
	for range 8 {
		f, err := seal.NewKeyFile(testPassword, seal.NewKey(), weakKey, seal.Identity{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		plain, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		s.Overwrite(KeyFile.Key(id.Hash(plain)), plain)
	}
}

func TestKeyHintAndManyKeys(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	for range maxKeysTried + 5 {
		addKey(t, r, "others")
	}
	late := addKey(t, r, "late")
	for !isAmongLast(t, s, late, 5) { // make it one that is not tried
		if err := r.RemoveKey(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		late = addKey(t, r, "late")
	}
	if _, err := open(t, s, "late", ""); !errors.Is(err, ErrWrongPassword) || !strings.Contains(err.Error(), "--key-hint") {
		t.Errorf("too many keys: %v", err)
	}
	for _, hint := range []string{late.String(), late.Short()} {
		opened, err := open(t, s, "late", hint)
		if err != nil || opened.KeyID() != late {
			t.Errorf("hint %s: %v", hint, err)
		}
	}
	if _, err := open(t, s, "late", strings.Repeat("f", 64)); err == nil || errors.Is(err, ErrWrongPassword) {
		t.Errorf("a hint that fits nothing: %v", err)
	}
}

func isAmongLast(t *testing.T, s storage.Store, i id.ID, n int) bool {
	t.Helper()
	ids, err := fileIDs(t.Context(), s, KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Index(ids, i) >= len(ids)-n
}

func TestChangePassword(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	added, err := r.ChangePassword(t.Context(), []byte("new"), weakKey)
	if err != nil || r.KeyID() != added {
		t.Fatal(err)
	}
	if _, err := open(t, s, string(testPassword), ""); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := open(t, s, "new", ""); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// Whenever a change of password dies, the old or the new one opens.
func TestChangePasswordDiesAnywhere(t *testing.T) {
	base := mem.New()
	r := initRepository(t, base, Options{})
	i := store(t, r, blob.Data, []byte("content"))[0]
	fault.Replay{
		Fresh: func() storage.Store { return base.Clone() },
		Job: func(ctx context.Context, s storage.Store) error {
			r, err := Open(ctx, s, Options{Password: testPassword})
			if err != nil {
				return err
			}
			_, err = r.ChangePassword(ctx, []byte("new"), weakKey)
			return err
		},
		Modes: []fault.Crash{fault.CrashBefore, fault.CrashAfter, fault.CrashTorn, fault.CrashMissing},
		Check: func(t *testing.T, left storage.Store) {
			r, err := open(t, left, string(testPassword), "")
			if err != nil {
				r, err = open(t, left, "new", "")
			}
			if err != nil {
				t.Fatal(err)
			}
			wantBlob(t, loaded(t, r), data(i), []byte("content"))
		},
	}.Run(t)
}

func TestKeyCostIsCalibrated(t *testing.T) {
	s := mem.New()
	if _, err := Init(t.Context(), s, InitOptions{Password: testPassword}, Options{}); err != nil {
		t.Fatal(err)
	}
	for i := range filesOf(t, s, KeyFile) {
		f, err := loadKeyFile(t.Context(), s, i)
		if err != nil || f.N < 1<<14 || f.Params.Validate() != nil {
			t.Errorf("%+v, %v", f.Params, err)
		}
	}
}

// A key with damage that leaves it usable opens the repository, and is not
// taken for sound.
func TestKeysRead(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	if read := openRepository(t, s, Options{}).KeysRead(); read.Sound != r.KeyID() || len(read.Listed) != 1 {
		t.Errorf("a sound key: %+v", read)
	}
	damage(t, s, KeyFile.Key(r.KeyID()), func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"hostname":"`), []byte(`"hostname":"x`), 1)
	})
	if read := openRepository(t, s, Options{}).KeysRead(); !read.Sound.IsZero() || len(read.Listed) != 1 {
		t.Errorf("a damaged key: %+v", read)
	}
}

// A key without a password is made on demand only, and opens with none.
func TestEmptyPassword(t *testing.T) {
	s := mem.New()
	r, err := Init(t.Context(), s, InitOptions{AllowEmpty: true, KeyCost: weakKey}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := open(t, s, "", ""); err != nil {
		t.Error(err)
	}
	if _, err := r.ReplaceKey(t.Context(), NewKey{Cost: weakKey}); !errors.Is(err, ErrEmptyPassword) {
		t.Errorf("another empty one: %v", err)
	}
	if _, err := r.ReplaceKey(t.Context(), NewKey{Password: []byte("some"), Cost: weakKey, Username: "ann", Hostname: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, s, "", ""); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("the empty one, replaced: %v", err)
	}
	keys, err := r.Keys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].Username != "ann" || keys[0].Hostname != "elsewhere" {
		t.Errorf("%+v, %v", keys, err)
	}
}
