package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"holdfast/internal/logarchive"
	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/local"
)

// logBytes is the length of a segment in these tests.
const logBytes = 1 << 10

func logSegment(n int) logarchive.Segment {
	return logarchive.Segment{
		Stream: "7300000000000000001", Line: 1, Kind: logarchive.Whole, Name: fmt.Sprintf("%024X", n),
		Start: logarchive.Position(n * logBytes), End: logarchive.Position((n + 1) * logBytes),
	}
}

// opened runs do on a repository and its store.
func (s *shell) opened(repo string, do func(r *repository.Repository)) {
	s.t.Helper()
	store, err := local.Open(repo)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := repository.Open(s.t.Context(), store, repository.Options{Password: []byte(os.Getenv("HOLDFAST_PASSWORD"))})
	if err != nil {
		s.t.Fatal(err)
	}
	do(r)
	if err := r.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// archiveLog makes keys for the log of a repository and archives segments.
func (s *shell) archiveLog(repo string, from, to int) {
	s.t.Helper()
	s.opened(repo, func(r *repository.Repository) {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := logarchive.NewSigningKey()
		if err != nil {
			s.t.Fatal(err)
		}
		signing, err := logarchive.ParseSigningKey(text)
		if err == nil {
			err = logarchive.SaveKeys(s.t.Context(), r, identity.String(), logarchive.PublicKey(signing))
		}
		if err != nil {
			s.t.Fatal(err)
		}
		a, err := logarchive.New(r.Store(), logarchive.Options{Source: "shop", Recipients: []age.Recipient{identity.Recipient()}, Signing: signing})
		if err != nil {
			s.t.Fatal(err)
		}
		ap, err := a.NewAppender(1)
		if err != nil {
			s.t.Fatal(err)
		}
		for n := from; n < to; n++ {
			ticket, err := ap.Append(s.t.Context(), logSegment(n), storage.Bytes(bytes.Repeat([]byte{byte(n)}, logBytes)))
			if err == nil {
				_, err = ticket.Wait(s.t.Context())
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
	})
}

// wantLog reads segments with the keys that the repository keeps.
func (s *shell) wantLog(repo string, from, to int) {
	s.t.Helper()
	s.opened(repo, func(r *repository.Repository) {
		keys, err := logarchive.LoadKeys(s.t.Context(), r)
		if err != nil {
			s.t.Fatal(err)
		}
		a, err := logarchive.New(r.Store(), logarchive.Options{Source: "shop", Identities: keys.Identities, Trusted: keys.Trusted})
		if err != nil {
			s.t.Fatal(err)
		}
		for n := from; n < to; n++ {
			var got bytes.Buffer
			if _, err := a.Fetch(s.t.Context(), logSegment(n), &got); err != nil || got.Len() != logBytes || got.Bytes()[0] != byte(n) {
				s.t.Errorf("segment %d: %v, %d bytes", n, err, got.Len())
			}
		}
	})
}

// payload is the file of a segment's payload.
func (s *shell) payload(repo string, n int) string {
	s.t.Helper()
	pattern := filepath.Join(repo, "holdfast", "log", "shop", "*", "*", "*", "*."+logSegment(n).Name+".*.zst.age")
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

func TestRepairLogFromCopy(t *testing.T) {
	s := newShell(t)
	s.withCopy()
	s.archiveLog(s.repo, 1, 6)
	s.archiveLog(s.path("copy"), 1, 8)
	s.wants(s.run(exitOK, "repair", "--from", s.path("copy")), "log of shop: 2 segments healed", "2 missing")
	s.wantLog(s.repo, 1, 8)

	if err := os.Remove(s.payload(s.repo, 2)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.payload(s.repo, 4), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.payload(s.repo, 4), []byte("not what was there"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := s.run(exitOK, "repair", "--from", s.path("copy"), "--json")
	s.wants(out, `"healed_log_segments":["`+logSegment(2).Name+`","`+logSegment(4).Name+`"]`, `"sound":true`)
	s.wantLog(s.repo, 1, 8)
	s.wants(s.run(exitOK, "repair", "--from", s.path("copy"), "--read-data"), "nothing is wrong")

	for _, repo := range []string{s.repo, s.path("copy")} {
		if err := os.Remove(s.payload(repo, 3)); err != nil {
			t.Fatal(err)
		}
	}
	s.wants(s.run(exitFailed, "repair", "--from", s.path("copy")), "log segment "+logSegment(3).Name+" of shop cannot be healed", "name another copy")
}
