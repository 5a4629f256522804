package line

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"holdfast/test/program"
	"holdfast/test/tools"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// site is a machine with a folder of files, a repository of them, and a place
// far from it.
type site struct {
	t        *testing.T
	dir      string
	holdfast program.Program
	public   string // key for archives; the secret one is in key.txt
	far      place
}

func newSite(t *testing.T, megabytes int) site {
	t.Helper()
	s := site{t: t, dir: t.TempDir()}
	fill(t, s.path("source"), megabytes)
	keygen := program.New(t, filepath.Join(filepath.Dir(tools.Age(t)), "age-keygen"))
	s.public = regexp.MustCompile(`age1\S+`).FindString(keygen.In(s.dir).Exits(t, 0, "-o", "key.txt").Stderr)
	s.holdfast = program.Holdfast(t).In(s.dir).On(s.path("near"), "correct horse")
	s.holdfast.Run(t, "init")
	s.holdfast.Run(t, "backup", "source")
	return s
}

// fill makes a folder of so many megabytes that do not compress, half of them
// in small files.
func fill(t *testing.T, dir string, megabytes int) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o755))
	random := rand.NewChaCha8([32]byte{9})
	write := func(name string, size int) {
		content := make([]byte, size)
		random.Read(content) //nolint:errcheck // it never fails
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	for n := range 4 {
		write(fmt.Sprint("large-", n), megabytes*1e6/8)
	}
	for n := range megabytes {
		write(fmt.Sprint("small-", n), 500e3)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s site) path(name string) string { return filepath.Join(s.dir, name) }

func (s site) run(args ...string) {
	s.t.Helper()
	s.holdfast.Run(s.t, append(args, s.far.options...)...)
}

// at is the site with a place.
func (s site) at(t *testing.T, far place) site {
	s.t, s.far, s.holdfast = t, far, s.holdfast.With(far.env...)
	return s
}

// step is a command that moves the data once over the line.
type step struct {
	name     string
	args     []string
	incoming bool
	// promptly tells that the data flows from when a repository is open until
	// the command ends: then the line is busy for nearly all of its time.
	promptly bool
	// always tells that the step runs also without HOLDFAST_SOAK.
	always bool
}

// steps are what a site does over the line, each with what those before left.
func (s site) steps() []step {
	repo, archives, key := s.far.url("repo"), s.far.url("archives"), s.path("key.txt")
	all := []step{
		{name: "backup", args: []string{"backup", "-r", repo, "source"}, promptly: true, always: true},
		{name: "restore", args: []string{"restore", "latest", "-r", repo, "--target", s.path("restored")}, incoming: true, promptly: true, always: true},
		{name: "check", args: []string{"check", "--read-data", "-r", repo}, incoming: true, promptly: true},
		{name: "copy to there", args: []string{"copy", "--to", s.far.url("copy")}, promptly: true, always: true},
		{name: "copy from there", args: []string{"copy", "-r", repo, "--to", s.path("copy")}, incoming: true, promptly: true},
		{name: "mirror to there", args: []string{"copy", "--mirror", "--init", "--to", s.far.url("mirror")}, promptly: true, always: true},
		{name: "mirror from there", args: []string{"copy", "-r", repo, "--mirror", "--init", "--to", s.path("mirror")}, incoming: true, promptly: true},
		{name: "archive from there", args: []string{"archive", "export", "latest", "-r", repo, "--to", s.path("archives"), "--recipient", s.public}, incoming: true, promptly: true, always: true},
	}
	if !s.far.archives {
		return all
	}
	return append(all,
		// A part travels when it is whole: those of this size begin at once.
		step{name: "archive to there", args: []string{"archive", "export", "latest", "--to", archives, "--name", "one", "--split", "16M", "--recipient", s.public}, promptly: true, always: true},
		step{name: "archive to there, in one part", args: []string{"archive", "export", "latest", "--to", archives, "--name", "two", "--recipient", s.public}},
		step{name: "archive verify", args: []string{"archive", "verify", archives, "one", "-i", key}, incoming: true, promptly: true},
		// What has come is restored from here.
		step{name: "archive import", args: []string{"archive", "import", archives, "one", "-i", key, "--target", s.path("imported")}, incoming: true},
	)
}

// do runs a step and tells how busy the line was.
func (s site) do(st step) busy {
	s.t.Helper()
	usage := s.far.link.Up
	if st.incoming {
		usage = s.far.link.Down
	}
	stop := watch(usage)
	s.run(st.args...)
	return stop()
}

func TestLongLineIsKeptBusy(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	kinds, megabytes := []string{"s3"}, 64
	// On a machine that is doing other things a line waits for a processor now
	// and then; what is asked for here nothing reaches that waits for answers.
	whole, flowing := 0.0, 0.5
	soak := os.Getenv("HOLDFAST_SOAK") != ""
	if soak {
		kinds, megabytes = []string{"s3", "azure", "gs", "sftp", "rest"}, 400
		whole, flowing = 0.85, 0.9
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			size := megabytes
			if soak && kind == "sftp" {
				size = 1000 // a connection takes ten answers to be made, and each file five to be put
			}
			s := newSite(t, size).at(t, places[kind](t))
			for _, repo := range []string{s.far.url("repo"), s.far.url("copy"), s.path("copy")} {
				s.run("init", "-r", repo, "--like", s.path("near"))
			}
			for _, st := range s.steps() {
				if !soak && !st.always {
					continue
				}
				b := s.do(st)
				t.Logf("| %-5s | %-29s | %3.0f MB in %4.1f s | %3.0f %% | %3.0f %% |", kind, st.name, float64(b.bytes)/1e6, b.took.Seconds(), 100*b.whole, 100*b.flowing)
				if b.flowing < flowing || st.promptly && b.whole < whole {
					t.Errorf("%s: the line is busy for %.0f %% of the time, and for %.0f %% once data flows; want %.0f %% and %.0f %%",
						st.name, 100*b.whole, 100*b.flowing, 100*whole, 100*flowing)
				}
			}
			for _, made := range []string{"restored", "copy", "mirror", "archives", "imported"} {
				must(t, os.RemoveAll(s.path(made)))
			}
		})
	}
}
