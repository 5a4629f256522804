package evidence

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/repository"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// diary is a repository with records of one author, an hour apart.
type diary struct {
	t      *testing.T
	s      *mem.Store
	r      *repository.Repository
	author *Author
	keys   []string
	now    time.Time
}

func newDiary(t *testing.T, records int) *diary {
	t.Helper()
	d := &diary{t: t, s: mem.New(), now: noon, author: newAuthor(t)}
	d.r = newRepository(t, d.s)
	for range records {
		d.write(d.author, Record{Kind: Check, Read: All})
	}
	return d
}

func newAuthor(t *testing.T) *Author {
	t.Helper()
	a, err := NewAuthor(filepath.Join(t.TempDir(), "keys", "evidence.key"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (d *diary) write(a *Author, rec Record) {
	d.t.Helper()
	d.now = d.now.Add(time.Hour)
	rec.Time = d.now
	key, err := Save(d.t.Context(), d.r, rec, a)
	if err != nil {
		d.t.Fatal(err)
	}
	d.keys = append(d.keys, key)
}

func (d *diary) read() *Chain {
	d.t.Helper()
	c, err := Read(d.t.Context(), d.r)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// verify holds the chain to the author's key and memory.
func (d *diary) verify() *Report {
	trust := Trust{Keys: []PublicKey{d.author.Public()}}
	if last := d.author.Last(d.r); last != nil {
		trust.Last = &last.Hash
	}
	return d.read().Verify(trust)
}

func (d *diary) want(what string, rules ...Rule) {
	d.t.Helper()
	var got []Rule
	for _, f := range d.verify().Findings {
		got = append(got, f.Rule)
	}
	if !slices.Equal(got, rules) {
		d.t.Errorf("%s: found %v, want %v: %v", what, got, rules, d.verify().Findings)
	}
}

func (d *diary) remove(key string) []byte {
	d.t.Helper()
	content, err := storage.ReadAll(d.t.Context(), d.s, key)
	if err == nil {
		content = bytes.Clone(content)
		err = d.s.Delete(d.t.Context(), key)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return content
}

func TestChain(t *testing.T) {
	d := newDiary(t, 12)
	d.want("untouched")
	c := d.read()
	for n, e := range c.Entries {
		if e.Record.Sequence != uint64(n+1) || len(e.Record.Previous) != min(n, 1) {
			t.Errorf("record %d is number %d and follows %v", n, e.Record.Sequence, e.Record.Previous)
		}
	}
	if e, err := c.Find(c.Entries[3].Hash.String()[:8]); err != nil || e != c.Entries[3] {
		t.Errorf("%v, %v", e, err)
	}
	if r := d.verify(); len(r.Heads) != 1 || r.Signers[d.author.Public().ID()] != 12 {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsRemovedIsMissed(t *testing.T) {
	for _, test := range []struct {
		name    string
		removed []int
		rules   []Rule
	}{
		{"in the middle", []int{3}, []Rule{Missing}},
		{"the first", []int{0}, []Rule{Missing}},
		{"the newest", []int{5}, []Rule{Missing}},
		{"the newest two", []int{4, 5}, []Rule{Missing}},
		{"two in a row", []int{2, 3}, []Rule{Missing}},
		{"two apart", []int{1, 3}, []Rule{Missing, Missing}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDiary(t, 6)
			for _, n := range test.removed {
				d.remove(d.keys[n])
			}
			d.want("removed", test.rules...)
		})
	}
}

// The newest record is missed by the machine that made it, and from its next
// record on by everybody.
func TestWhatIsRemovedAtTheEndStaysMissing(t *testing.T) {
	d := newDiary(t, 4)
	d.remove(d.keys[3])
	d.write(d.author, Record{Kind: Check, Read: All})
	other := d.read().Verify(Trust{Keys: []PublicKey{d.author.Public()}})
	if len(other.Findings) != 1 || other.Findings[0].Rule != Missing || !strings.Contains(other.Findings[0].What, "which is gone") {
		t.Errorf("%v", other.Findings)
	}
	d.write(d.author, Record{Kind: Check, Read: All})
	if n := len(d.verify().Findings); n != 1 {
		t.Errorf("told %d times: %v", n, d.verify().Findings)
	}
}

func TestWhatIsChangedIsFound(t *testing.T) {
	d := newDiary(t, 4)
	content := d.remove(d.keys[1])
	content[len(content)/2] ^= 1
	d.s.Overwrite(d.keys[1], content)
	d.want("a bit", Damaged, Missing)

	d = newDiary(t, 4)
	first, second := d.remove(d.keys[1]), d.remove(d.keys[2])
	d.s.Overwrite(d.keys[1], second)
	d.s.Overwrite(d.keys[2], first)
	d.want("exchanged", Damaged, Damaged, Missing)
}

// Whoever has the password can write records, but not those of somebody else.
func TestForeignAndUnsigned(t *testing.T) {
	d := newDiary(t, 2)
	d.write(nil, Record{Kind: Check, Read: All})
	d.want("unsigned", Unsigned)
	d.write(newAuthor(t), Record{Kind: Check, Read: All})
	d.want("of another key", Unsigned, Foreign)

	d = newDiary(t, 2)
	thief, err := NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	thief.id = d.author.key.id // it only looks like the author's
	d.write(&Author{key: thief}, Record{Kind: Check, Read: All})
	d.want("forged", Forged)
}

// A whole history made anew by somebody else is not taken for the old one.
func TestRewritten(t *testing.T) {
	d := newDiary(t, 3)
	for _, key := range d.keys {
		d.remove(key)
	}
	thief := newAuthor(t)
	for range 3 {
		d.write(thief, Record{Kind: Check, Read: All})
	}
	d.want("rewritten", Foreign, Foreign, Foreign, Missing)
}

// Two who write at once lose nothing, and the next record brings their lines
// together.
func TestTwoAtOnce(t *testing.T) {
	d := newDiary(t, 2)
	// Both have read the same newest record when they write.
	left := Record{Kind: Check, Read: All}
	key := d.remove(d.keys[1])
	d.s.Overwrite(d.keys[1], key)
	d.write(d.author, left)
	hidden := d.remove(d.keys[2])
	other := &Author{key: d.author.key} // it remembers nothing
	d.write(other, Record{Kind: ReadBack, Read: Part})
	d.s.Overwrite(d.keys[2], hidden)
	r := d.verify()
	if !r.Sound() || len(r.Heads) != 2 {
		t.Fatalf("a fork: %+v", r)
	}
	d.write(d.author, Record{Kind: Check, Read: All})
	if r = d.verify(); !r.Sound() || len(r.Heads) != 1 || r.Forks != 1 {
		t.Errorf("brought together: %+v", r)
	}
	d.remove(d.keys[2])
	d.want("a side of a fork removed", Missing)
}

func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "evidence.key")
	if _, err := LoadAuthor(path, ""); !os.IsNotExist(asPathError(err)) {
		t.Fatalf("%v", err)
	}
	keys := make(chan string, 8)
	for range cap(keys) {
		go func() {
			a, err := NewAuthor(path, "")
			if err != nil {
				keys <- err.Error()
				return
			}
			keys <- a.Public().String()
		}()
	}
	first := <-keys
	for range cap(keys) - 1 {
		if other := <-keys; other != first {
			t.Errorf("%s and %s", first, other)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	if err := os.WriteFile(path, []byte("untrusted comment: x\nRWQ=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewAuthor(path, ""); err == nil {
		t.Error("half a key was taken, or replaced")
	}
}

func asPathError(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error }) //nolint:errorlint // it walks the chain itself
		if !ok || os.IsNotExist(err) {
			return err
		}
		err = u.Unwrap()
	}
}

// export writes an export to a folder.
func (d *diary) export() string {
	d.t.Helper()
	dir := d.t.TempDir()
	for _, f := range d.read().Export() {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	return dir
}

// An auditor has minisign or openssl, and nothing of holdfast.
func TestExportIsVerifiedWithoutHoldfast(t *testing.T) {
	d := newDiary(t, 3)
	d.write(d.author, Record{Kind: Restore, Read: Part, Problems: 1, Findings: []string{"<b>too little</b>"}, RestoreTest: &RestoreTest{Source: "shop"}})
	for _, tool := range []string{"minisign", "openssl"} {
		path := toolsWithout(t, map[string]string{"minisign": "", "openssl": "minisign"}[tool])
		verify := func(dir string, args ...string) (string, error) {
			cmd := exec.Command("sh", append([]string{filepath.Join(dir, "verify.sh")}, args...)...)
			cmd.Env = []string{"PATH=" + path, "TMPDIR=" + t.TempDir()}
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		t.Run(tool, func(t *testing.T) {
			key := d.author.Public().String()
			dir := d.export()
			if out, err := verify(dir, key); err != nil || !strings.Contains(out, "4 records: all signed") {
				t.Errorf("untouched: %v\n%s", err, out)
			}
			if out, err := verify(dir); err != nil || !strings.Contains(out, "no key was given") {
				t.Errorf("with the keys of the folder: %v\n%s", err, out)
			}
			if out, err := verify(dir, newAuthor(t).Public().String()); err == nil || strings.Count(out, "WRONG") != 4 {
				t.Errorf("with another key: %v\n%s", err, out)
			}
			for n, change := range []func(name string) error{
				os.Remove,
				func(name string) error { return os.Remove(name + ".minisig") },
				func(name string) error {
					text, err := os.ReadFile(name)
					if err != nil {
						return err
					}
					return os.WriteFile(name, bytes.Replace(text, []byte(`"read": "all"`), []byte(`"read": "part"`), 1), 0o600)
				},
			} {
				dir := d.export()
				second, err := filepath.Glob(filepath.Join(dir, "000002-*.json"))
				if err != nil || len(second) != 1 {
					t.Fatal(second, err)
				}
				if err := change(second[0]); err != nil {
					t.Fatal(err)
				}
				out, err := verify(dir, key)
				if err == nil || !strings.Contains(out, "WRONG") {
					t.Errorf("change %d goes unnoticed: %v\n%s", n, err, out)
				}
				c, err := ReadExport(os.DirFS(dir))
				if err != nil || c.Verify(Trust{Keys: []PublicKey{d.author.Public()}}).Sound() {
					t.Errorf("change %d goes unnoticed by holdfast: %v", n, err)
				}
			}
		})
	}
	c, err := ReadExport(os.DirFS(d.export()))
	if err != nil || !c.Verify(Trust{Keys: []PublicKey{d.author.Public()}}).Sound() || len(c.Entries) != 4 {
		t.Errorf("%v, %+v", err, c)
	}
	if _, err := ReadExport(fstest.MapFS{}); err == nil {
		t.Error("an empty folder is good evidence")
	}
	page := d.read().Entries[3].Page()
	if !strings.Contains(page, "&lt;b&gt;too little") || !strings.Contains(page, "FAILED") {
		t.Errorf("the page is\n%s", page)
	}
}

// toolsWithout makes a folder with the commands that the script may use.
func toolsWithout(t *testing.T, without string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sh", "dirname", "mktemp", "rm", "cat", "grep", "sed", "awk", "cut", "tail", "sha256sum", "openssl", "minisign"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v: install it with tools/deps.sh test", err)
		}
		if name == without {
			continue
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A key of holdfast is one of minisign, and the other way round.
func TestKeysAreThoseOfMinisign(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	minisign := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("minisign", args...).CombinedOutput(); err != nil {
			t.Fatalf("minisign %v: %v\n%s", args, err, out)
		}
	}
	ours, err := NewAuthor(path("ours.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("a message\n")
	for name, content := range map[string][]byte{"m": message, "ours.pub": []byte(ours.Public().File())} {
		if err := os.WriteFile(path(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	minisign("-S", "-W", "-s", path("ours.key"), "-m", path("m"))
	minisign("-V", "-p", path("ours.pub"), "-m", path("m"))
	text, err := os.ReadFile(path("m.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseSignature(string(text))
	if err != nil || !ours.Public().verifies(message, s) {
		t.Errorf("a signature of minisign: %v\n%s", err, text)
	}
	minisign("-G", "-W", "-s", path("theirs.key"), "-p", path("theirs.pub"))
	theirs, err := LoadAuthor(path("theirs.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	text, err = os.ReadFile(path("theirs.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if public, err := ParsePublicKey(string(text)); err != nil || public != theirs.Public() || theirs.Public().File() != strings.Replace(string(text), "\n\n", "\n", 1) {
		t.Errorf("%v\n%s%s", err, text, theirs.Public().File())
	}
	if !ed25519.PublicKey(theirs.key.key[32:]).Equal(theirs.key.key.Public()) {
		t.Error("the halves of the key do not belong together")
	}
}

func FuzzSignature(f *testing.F) {
	k, err := NewPrivateKey()
	if err != nil {
		f.Fatal(err)
	}
	good := k.Sign([]byte("x"), "c")
	f.Add(good)
	f.Add(strings.Replace(good, "comment", "", 1))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSignature(text)
		if err == nil && k.Public().verifies([]byte("y"), s) {
			t.Error(fmt.Sprint("forged ", text))
		}
	})
}
