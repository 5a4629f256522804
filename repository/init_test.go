package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// An Init that was cut off anywhere can be run again, and what it left behind
// harms neither it nor a later Open.
func TestInitDiesAnywhere(t *testing.T) {
	fault.Replay{
		Fresh: func() storage.Store { return mem.New() },
		Job: func(ctx context.Context, s storage.Store) error {
			_, err := Init(ctx, s, testInit(), Options{})
			return err
		},
		Modes: []fault.Crash{fault.CrashBefore, fault.CrashAfter, fault.CrashTorn, fault.CrashMissing},
		Check: func(t *testing.T, left storage.Store) {
			if s, ok := left.(*mem.Store); ok && isTorn(t, s) {
				// No sound store leaves a torn config. Nothing is in the
				// repository yet, but Init cannot know that for sure.
				if err := s.Delete(t.Context(), configKey); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Init(t.Context(), left, testInit(), Options{})
			if err != nil && !errors.Is(err, ErrExists) {
				t.Fatalf("Init again: %v", err)
			}
			r := openRepository(t, left, Options{})
			if keys, err := r.Keys(t.Context()); err != nil || len(keys) != 1 || !keys[0].Current {
				t.Errorf("keys %v, %v", keys, err)
			}
			i := store(t, r, blob.Data, []byte("content"))[0]
			wantBlob(t, openRepository(t, left, Options{}), data(i), []byte("content"))
		},
	}.Run(t)
}

// isTorn tells whether there is a config that nothing opens.
func isTorn(t *testing.T, s storage.Store) bool {
	_, err := Open(t.Context(), s, Options{Password: testPassword})
	var c *CorruptError
	return errors.As(err, &c) && c.Kind == ConfigFile
}

func TestInitRefuses(t *testing.T) {
	whole := mem.New()
	r := initRepository(t, whole, Options{})
	store(t, r, blob.Data, []byte("content"))
	tests := map[string]struct {
		keep     string // what is left of a repository, by prefix
		password string
		says     string
	}{
		"everything":            {"", "", "exists already"},
		"snapshots":             {"snapshots/", "", "config is lost"},
		"index files":           {"index/", "", "config is lost"},
		"packs":                 {"data/", "", "config is lost"},
		"log archive":           {"holdfast/", "", "config is lost"},
		"key of other password": {"keys/", "another", "that password"},
	}
	whole.Overwrite("snapshots/"+id.Random().String(), []byte("x"))
	whole.Overwrite("holdfast/archive", []byte("x"))
	for name, test := range tests {
		s := mem.New()
		err := whole.List(t.Context(), "", func(i storage.Info) error {
			if strings.HasPrefix(i.Key, test.keep) {
				b, err := storage.ReadAll(t.Context(), whole, i.Key)
				s.Overwrite(i.Key, b)
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		in := testInit()
		if test.password != "" {
			in.Password = []byte(test.password)
		}
		before := fault.New(s, 1)
		if _, err := Init(t.Context(), before, in, Options{}); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
		for _, c := range before.Calls() {
			if c.Op.Changes() {
				t.Errorf("%s: %s %s", name, c.Op, c.Key)
			}
		}
	}
	if _, err := Init(t.Context(), mem.New(), InitOptions{KeyCost: weakKey}, Options{}); err == nil {
		t.Error("an empty password is accepted")
	}
	if _, err := Init(t.Context(), mem.New(), InitOptions{Password: testPassword, Cutter: "knife"}, Options{}); err == nil {
		t.Error("an unknown cutter is accepted")
	}
}

// Of many that start together one makes the repository, and everybody's
// password opens it or was refused.
func TestConcurrentInits(t *testing.T) {
	for range 20 {
		s := mem.New()
		var running sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 4 {
			running.Go(func() {
				_, err := Init(t.Context(), s, testInit(), Options{})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if !errors.Is(err, ErrExists) {
					t.Error(err)
				}
			})
		}
		running.Wait()
		if made != 1 {
			t.Errorf("%d made the repository", made)
		}
		openRepository(t, s, Options{})
	}
}

func TestCutters(t *testing.T) {
	s := mem.New()
	gear := initRepository(t, s, Options{})
	if gear.Config().CutterName() != GearCutter {
		t.Error("a new repository does not use the faster cutter")
	}
	in := testInit()
	in.Like = gear
	like, err := Init(t.Context(), mem.New(), in, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if like.Config().ChunkerPolynomial != gear.Config().ChunkerPolynomial || string(like.Config().Cutter.Seed) != string(gear.Config().Cutter.Seed) || like.ID() == gear.ID() {
		t.Errorf("Like: %+v", like.Config())
	}
	in = testInit()
	in.Cutter = RabinCutter
	rabin, err := Init(t.Context(), mem.New(), in, Options{})
	if err != nil || rabin.Config().Cutter != nil {
		t.Errorf("%+v, %v", rabin.Config(), err)
	}
	for _, r := range []*Repository{gear, like, rabin} {
		for _, name := range []string{"", GearCutter, RabinCutter} {
			if _, err := r.CutMethod(name); err != nil {
				t.Error(err)
			}
		}
		if _, err := r.CutMethod("knife"); err == nil {
			t.Error("an unknown cutter is made")
		}
	}
}

func TestDecodeConfig(t *testing.T) {
	const (
		anID = `"id":"5956a3f67a6230d4a92cefb29529f10196c7d92582ec305fd71ff6d331d6271b"`
		pol  = `"chunker_polynomial":"25b468838dcb75"`
	)
	tests := []struct {
		json        string
		decodes     bool
		cuts        bool
		wantVersion bool
	}{
		{`{"version":2,` + anID + `,` + pol + `}`, true, true, false},
		{`{"version":1,` + anID + `,` + pol + `}`, true, true, false},
		{`{"version":2,` + anID + `,` + pol + `,"is_hot":true,"append_only":{}}`, true, true, false},
		{`{"version":3,` + anID + `,` + pol + `}`, false, false, true},
		{`{"version":0,` + anID + `,` + pol + `}`, false, false, true},
		{`{` + anID + `,` + pol + `}`, false, false, true},
		{`{"version":-1,` + anID + `}`, false, false, false},
		{`{"version":2,"id":"../../x",` + pol + `}`, false, false, false},
		{`{"version":2,` + pol + `}`, false, false, false},
		// Nothing that reads needs a cutter.
		{`{"version":2,` + anID + `,"chunker_polynomial":"4"}`, true, false, false},
		{`{"version":2,` + anID + `,"chunker_polynomial":"xyz"}`, true, false, false},
		{`{"version":2,` + anID + `}`, true, false, false},
		{`{"version":2,` + anID + `,` + pol + `,"holdfast_cutter":{"name":"gear-v9"}}`, true, false, false},
		{`{"version":2,` + anID + `,` + pol + `,"holdfast_cutter":{"name":"gear-v1","seed":"AAAA"}}`, true, false, false},
		{`[]`, false, false, false},
		{``, false, false, false},
	}
	for _, test := range tests {
		c, err := decodeConfig([]byte(test.json))
		if (err == nil) != test.decodes || errors.Is(err, ErrUnknownVersion) != test.wantVersion {
			t.Errorf("%s: %v", test.json, err)
		}
		if err != nil {
			continue
		}
		if _, err := c.cutMethod(c.CutterName()); (err == nil) != test.cuts {
			t.Errorf("%s: cuts: %v", test.json, err)
		}
	}
}

func FuzzDecodeConfig(f *testing.F) {
	f.Add([]byte(`{"version":2,"id":"5956a3f67a6230d4a92cefb29529f10196c7d92582ec305fd71ff6d331d6271b","chunker_polynomial":"25b468838dcb75"}`))
	f.Add([]byte(`{"version":1,"id":"x","holdfast_cutter":{"name":"gear-v1","seed":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}`))
	f.Fuzz(func(t *testing.T, plain []byte) {
		c, err := decodeConfig(plain)
		if err != nil {
			return
		}
		if !id.Valid(c.ID) {
			t.Fatalf("%q would name a folder", c.ID)
		}
		_, _ = c.cutMethod(c.CutterName())
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeConfig(again); err != nil {
			t.Fatal(err)
		}
	})
}

// crowded is a store among a lot that belongs to others, who may forbid to
// look at it.
type crowded struct {
	*mem.Store
	forbidden bool
}

func (c crowded) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	if prefix == "" && c.forbidden {
		return fs.ErrPermission
	}
	return c.Store.List(ctx, prefix, visit)
}

func TestInitAmongOthers(t *testing.T) {
	for _, forbidden := range []bool{false, true} {
		s := mem.New()
		for n := range 2 * maxOthers {
			s.Overwrite(fmt.Sprintf("f/%d", n), []byte("x"))
		}
		initRepository(t, crowded{s, forbidden}, Options{})
		openRepository(t, s, Options{})
		if err := s.Delete(t.Context(), configKey); err != nil {
			t.Fatal(err)
		}
		s.Overwrite("snapshots/"+id.Random().String(), []byte("x"))
		if _, err := Init(t.Context(), crowded{s, forbidden}, testInit(), Options{}); !errors.Is(err, ErrExists) {
			t.Errorf("without a config: %v", err)
		}
	}
}
