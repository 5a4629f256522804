package pitr

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"holdfast/internal/logarchive"
	"holdfast/storage"
	"holdfast/storage/local"
	"holdfast/test/pgcluster"
)

// Somebody who can write into the store, and has no key that is trusted, or one that
// was taken out, puts log of their own in the place of what was archived. Nobody
// takes it for the server's: each command that meets it says so, and names it.
func TestForgedLog(t *testing.T) {
	t.Parallel()
	pgcluster.Each(t, func(t *testing.T, bin string) {
		c := pgcluster.New(t, bin, apart(t)...)
		c.Exec("CREATE TABLE numbers (n bigint PRIMARY KEY, filler text)")
		newTimeline(t, c)
		s := newShop(t, bin, c.DSN(), "stream")
		stop := s.background("wal", "receive", "--plan", "shop")
		o := &oracle{t: t, c: c}
		s.run("plan", "run", "shop")
		for range 3 {
			o.write(1)
			c.Exec("SELECT pg_switch_wal()")
		}
		o.write(2)
		s.waitArchived(c)
		stop()
		all := s.records()
		history, err := filepath.Glob(filepath.Join(s.dir, "repository", "holdfast", "log", "shop", "*", "00000002", "*", "*.history.*.record"))
		if err != nil || len(history) != 1 {
			t.Fatalf("the history of timeline 2 is %q, %v", history, err)
		}
		const unsigned = "not signed by a trusted key"
		for what, forged := range map[string]struct {
			file string
			// What status and restore say; "" where they do not come across it.
			status, restore string
		}{
			"the newest piece":            {all[0].file, unsigned, unsigned},
			"a segment in the middle":     {s.whole(all, 2).file, "", ""},
			"where a timeline comes from": {history[0], unsigned, unsigned},
		} {
			s.forge(forged.file, func() {
				data := filepath.Join(pgcluster.Folder(t), "data")
				name := strings.SplitN(filepath.Base(forged.file), ".", 3)[2]
				name = strings.TrimSuffix(name, ".record")
				if out, err := s.try("wal", "fetch", "--plan", "shop", name, filepath.Join(c.Data, "pg_wal", "RECOVERYFORGED")); err == nil || !strings.Contains(out, unsigned) || exitCodeOf(err) <= 125 {
					t.Errorf("%s: fetch of %s: %v\n%s", what, name, err, out)
				}
				said := func(want string, args ...string) {
					t.Helper()
					out, err := s.try(args...)
					if want != "" && (err == nil || !strings.Contains(out, want) || !strings.Contains(out, name)) || want == "" && err != nil {
						t.Errorf("%s: %s: %v, want it to say %q and name %s\n%s", what, args[0], err, want, name, out)
					}
				}
				said(forged.status, "wal", "status", "--plan", "shop")
				said(forged.restore, "restore", "--plan", "shop", "--target", data)
				if _, err := os.Stat(data); err == nil && forged.restore != "" {
					t.Errorf("%s: the restore was refused, and left something", what)
				}
				if forged.restore == "" {
					started := pgcluster.Attach(t, bin, data)
					started.Launch()
					started.WaitEnd()
					if said := log(t, data); !strings.Contains(said, unsigned) {
						t.Errorf("%s: the restored server's log says\n%s", what, said)
					}
				}
				out, err := s.try("verify", "--plan", "shop", "--point", "newest", "--scratch", s.dir)
				if err == nil || !strings.Contains(out, unsigned) {
					t.Errorf("%s: verify: %v\n%s", what, err, out)
				}
			})
		}
		if out, err := s.try("wal", "status", "--plan", "shop"); err != nil {
			t.Errorf("all is as it was: %v\n%s", err, out)
		}
		o.want(s.restore(), 5, "the end of the log")
	})
}

// forge does something while a record, and what it speaks of, is another one of the
// same name that a stranger signed.
func (s *shop) forge(file string, do func()) {
	s.t.Helper()
	var segment logarchive.Segment
	below, err := filepath.Rel(filepath.Join(s.dir, "repository", "holdfast", "log", "shop"), file)
	if err != nil {
		s.t.Fatal(err)
	}
	parts := strings.Split(below, string(filepath.Separator))
	fields := strings.SplitN(strings.TrimSuffix(parts[3], ".record"), ".", 3)
	segment.Stream, segment.Kind, segment.Name = parts[0], logarchive.Kind(fields[1]), fields[2]
	if _, err := fmt.Sscanf(parts[1]+" "+fields[0], "%08X %016X-%016X", &segment.Line, &segment.Start, &segment.End); err != nil {
		s.t.Fatal(err)
	}
	content := bytes.Repeat([]byte("forged! "), int(segment.End-segment.Start)/8+1)[:segment.End-segment.Start]
	if segment.Kind == logarchive.History {
		content = []byte("1\t0/1000000\tforged\n")
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		s.t.Fatal(err)
	}
	elsewhere := s.t.TempDir()
	store, err := local.Create(elsewhere)
	if err != nil {
		s.t.Fatal(err)
	}
	archive, err := logarchive.New(store, logarchive.Options{Source: "shop", Recipients: []age.Recipient{identity.Recipient()}, Signing: stranger})
	if err != nil {
		s.t.Fatal(err)
	}
	appender, err := archive.NewAppender(1)
	if err != nil {
		s.t.Fatal(err)
	}
	ticket, err := appender.Append(s.t.Context(), segment, storage.Bytes(content))
	if err == nil {
		_, err = ticket.Wait(s.t.Context())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	made := filepath.Join(elsewhere, "holdfast", "log", "shop", below)
	payloads, err := filepath.Glob(strings.TrimSuffix(made, "record") + "*.zst.age")
	if err != nil || len(payloads) != 1 {
		s.t.Fatalf("payloads %q, %v", payloads, err)
	}
	payload := filepath.Join(filepath.Dir(file), filepath.Base(payloads[0]))
	if err := errors.Join(os.WriteFile(payload, []byte(read(s.t, payloads[0])), 0o600), pgcluster.Own(payload)); err != nil {
		s.t.Fatal(err)
	}
	s.changed(file, func([]byte) []byte { return []byte(read(s.t, made)) }, do)
	if err := os.Remove(payload); err != nil {
		s.t.Fatal(err)
	}
}
