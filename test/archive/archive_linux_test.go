package archive

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/test/oddities"
	"holdfast/test/program"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// site is a machine with a repository, a folder of oddities and a key.
type site struct {
	t        *testing.T
	dir      string
	holdfast program.Program
	key, pub string
	tools    string // where age and zstd are
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.tools = filepath.Dir(tools.Age(t)) + ":" + filepath.Dir(tools.Zstd(t))
	s.holdfast = program.Holdfast(t).In(s.dir).On(s.path("repo"), "correct horse")
	s.holdfast.Run(t, "init")
	must(t, os.Mkdir(s.path("src"), 0o755))
	s.key = s.path("key.txt")
	out := s.sh(`age-keygen -o key.txt 2>&1`)
	s.pub = regexp.MustCompile(`age1\S+`).FindString(out)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// sh runs a script of the plain tools, which must succeed.
func (s *site) sh(script string, args ...string) string {
	s.t.Helper()
	out, err := s.trySh(script, args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

func (s *site) trySh(script string, args ...string) (string, error) {
	cmd := exec.Command("bash", append([]string{"-euo", "pipefail", "-c", script, "bash"}, args...)...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "PATH="+s.tools+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// manifest is what the tests look at.
type manifest struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Parent *struct {
		Name string `json:"name"`
	} `json:"parent"`
	Inner struct {
		SHA256 string `json:"sha256"`
		Bytes  int64  `json:"bytes"`
	} `json:"inner"`
	Parts []struct {
		Name string `json:"name"`
	} `json:"parts"`
	Entries uint64 `json:"entries"`
	Deleted uint64 `json:"deleted"`
}

func (s *site) backup() { s.t.Helper(); s.holdfast.Run(s.t, "backup", "src") }

// export exports the latest snapshot to a place.
func (s *site) export(place string, args ...string) manifest {
	s.t.Helper()
	if !slices.ContainsFunc(args, func(a string) bool {
		return strings.HasPrefix(a, "--recipient") || strings.HasPrefix(a, "--passphrase")
	}) {
		args = append(args, "--recipient", s.pub)
	}
	all := program.JSON[manifest](s.t, s.holdfast, append([]string{"archive", "export", "latest", "--to", place}, args...)...)
	return all[len(all)-1]
}

// unpack unpacks an archive with the plain tools into a new folder, and
// returns where the source is in it.
func (s *site) unpack(place string, m manifest) string {
	s.t.Helper()
	back := s.t.TempDir()
	s.sh(`cd "$1/$2"; sha256sum --quiet -c SHA256SUMS
		cat "$2"* | age -d -i "$3" | zstd -d | tar x -p --xattrs --xattrs-include='*' --acls -C "$4"`, place, m.Name, s.key, back)
	return filepath.Join(back, "src")
}

func TestThePlainToolsUnpackEverything(t *testing.T) {
	s := newSite(t)
	oddities.Make(t, s.path("src"), oddities.Deep) // tar works with paths
	s.backup()
	m := s.export("archives")
	oddities.Compare(t, s.path("src"), s.unpack("archives", m))

	t.Run("as do those of BSD", func(t *testing.T) {
		if _, err := exec.LookPath("bsdtar"); err != nil {
			t.Skip("there is no bsdtar; GNU tar was tried above")
		}
		out := s.sh(`cd archives/"$1"; cat "$1"* | age -d -i "$2" | bsdtar -tf - | wc -l`, m.Name, s.key)
		if strings.TrimSpace(out) == "0" {
			t.Error("nothing is in it")
		}
	})
	t.Run("in many parts", func(t *testing.T) {
		m := s.export("archives", "--name", "split", "--split", "256K")
		if len(m.Parts) < 10 {
			t.Fatalf("%d parts", len(m.Parts))
		}
		oddities.Compare(t, s.path("src"), s.unpack("archives", m))
	})
	t.Run("with a passphrase", func(t *testing.T) {
		must(t, os.WriteFile(s.path("passphrase"), []byte("battery staple\n"), 0o600))
		m := s.export("archives", "--name", "passphrase", "--passphrase-file", "passphrase")
		// age asks on a terminal, which script is.
		s.sh(`script -qec "age -d -o opened archives/passphrase/passphrase.tar.zst.age" /dev/null < passphrase`)
		if out := s.sh(`sha256sum opened`); !strings.HasPrefix(out, m.Inner.SHA256) {
			t.Errorf("opened %s, the manifest says %s", out, m.Inner.SHA256)
		}
	})
	t.Run("for SSH keys", func(t *testing.T) {
		s.sh(`ssh-keygen -q -t ed25519 -N '' -f ssh-key`)
		pub, err := os.ReadFile(s.path("ssh-key.pub"))
		must(t, err)
		m := s.export("archives", "--name", "ssh", "--recipient", string(pub))
		key := s.key
		s.key = s.path("ssh-key")
		oddities.Compare(t, s.path("src"), s.unpack("archives", m))
		s.holdfast.Run(t, "archive", "verify", "archives", "ssh", "-i", s.key)
		s.key = key
	})
}

// script returns the script that the guide gives for chains.
func script(t *testing.T) string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/guides/archives.md")
	must(t, err)
	found := regexp.MustCompile("(?s)<!-- test: restore-chain -->\n```bash\n(.*?)```").FindSubmatch(guide)
	if found == nil {
		t.Fatal("the guide has no script")
	}
	path := filepath.Join(t.TempDir(), "restore-chain")
	must(t, os.WriteFile(path, found[1], 0o755))
	return path
}

// changes are what happens to the source between two archives, each a case
// that chains of archives get wrong.
var changes = []string{
	// Names: gone, new, replaced by another type in every direction.
	`rm 'names/tab	' names/A; rm -r names/dir-*; echo new > 'names/new
line'; echo new > $'names/\xfd'; rm sizes/4096; mkdir sizes/4096; echo x > sizes/4096/below; mv special/empty-dir special/moved
	mkdir d; mkdir d/deep; echo 1 > d/deep/file; ln -s nowhere d/link; echo same > stays`,
	`rm -r d/deep; ln -s ../names d/deep; rm d/link; mkdir d/link; echo 2 > d/link/x; rm -r sizes/4096; printf abc > sizes/4096
	echo more >> sizes/524288; rm special/fifo; mkdir special/fifo`,
	// Hard links: a new name, one that goes, one that becomes a file of its own.
	`ln hardlinks/one hardlinks/four; rm hardlinks/two; cp -p hardlinks/one hardlinks/two; rm hardlinks/below/empty; echo changed >> hardlinks/one`,
	`rm -r d; echo file > d; rm hardlinks/four; ln hardlinks/empty hardlinks/five; ln stays stays-too`,
	// Metadata alone, a folder's too; attributes that go away.
	`chmod 700 names; touch -d 2001-02-03T04:05:06.789 sizes; chmod 600 sizes/1; touch -h -d 1999-01-01 symlinks/dangling
	attributes`,
	``, // nothing
}

// change runs one of the changes; the line "attributes" is for what not every
// machine has a program for.
func (s *site) change(script string) {
	s.t.Helper()
	script, attributes := strings.CutSuffix(script, "attributes")
	s.sh("cd src\n" + script)
	if !attributes {
		return
	}
	at := s.path("src/attributes")
	must(s.t, errors.Join(
		unix.Lremovexattr(at+"/dir", "user.dir"), unix.Lremovexattr(at+"/dir", "system.posix_acl_default"),
		unix.Lremovexattr(at+"/file", "user.text"), unix.Lsetxattr(at, "user.new", []byte("1"), 0),
	))
}

func TestChainsGiveTheSameTree(t *testing.T) {
	s := newSite(t)
	oddities.Make(t, s.path("src"), oddities.Deep)
	restore := script(t)
	s.backup()
	chain := []manifest{s.export("archives")}
	folders := func(chain []manifest) (args []string) {
		for _, m := range chain {
			args = append(args, s.path("archives/"+m.Name))
		}
		return args
	}
	check := func(t *testing.T, chain []manifest) {
		t.Helper()
		back := t.TempDir()
		s.sh(`"$@"`, append([]string{restore, s.key, back}, folders(chain)...)...)
		oddities.Compare(t, s.path("src"), filepath.Join(back, "src"))
		last := chain[len(chain)-1].Name
		s.holdfast.Run(t, "archive", "import", "archives", last, "-i", s.key, "--target", filepath.Join(back, "by holdfast"))
		oddities.Compare(t, s.path("src"), filepath.Join(back, "by holdfast", "src"))
	}
	for n, change := range changes {
		s.change(change)
		s.backup()
		m := s.export("archives", "--since", "latest")
		if m.Kind != "incremental" || m.Parent.Name != chain[n].Name {
			t.Fatalf("%+v", m)
		}
		chain = append(chain, m)
		t.Logf("change %d: %d entries, %d deleted", n, m.Entries, m.Deleted)
	}
	check(t, chain)

	d := s.export("archives", "--since", "latest", "--type", "differential", "--name", "differential")
	if d.Parent.Name != chain[0].Name {
		t.Errorf("the differential archive is relative to %s", d.Parent.Name)
	}
	check(t, []manifest{chain[0], d})

	// All of it becomes snapshots again, in a repository that has none.
	other := s.holdfast.With("HOLDFAST_REPOSITORY=" + s.path("other"))
	other.Run(t, "init", "--like", s.path("repo"))
	other.Run(t, "archive", "import", "archives", chain[len(chain)-1].Name, "-i", s.key)
	if got, want := s.described(other), s.described(s.holdfast); got != want {
		t.Errorf("imported\n%s\nwant\n%s", got, want)
	}
	again := other.Run(t, "archive", "import", "archives", chain[len(chain)-1].Name, "-i", s.key)
	if strings.Count(again, "is there already") != len(chain) {
		t.Errorf("a second import says %s", again)
	}
	other.Run(t, "check", "--read-data")

	// The script says at once that a link is missing.
	if out, err := s.trySh(`"$@"`, append([]string{restore, s.key, t.TempDir()}, folders(slices.Concat(chain[:2], chain[3:]))...)...); err == nil || !strings.Contains(out, "is not relative to") {
		t.Errorf("a chain without a link: %v, %s", err, out)
	}
}

// described says what the snapshots of a repository are, but for their IDs.
func (s *site) described(p program.Program) string {
	s.t.Helper()
	var all []map[string]any
	must(s.t, json.Unmarshal([]byte(p.Run(s.t, "snapshots", "--json")), &all))
	var text []string
	for _, one := range all {
		for _, key := range []string{"id", "short_id", "parent", "original", "tree"} {
			delete(one, key) // sockets are in no archive, and so not in its tree
		}
		line, err := json.Marshal(one)
		must(s.t, err)
		text = append(text, string(line))
	}
	slices.Sort(text)
	return strings.Join(text, "\n")
}
