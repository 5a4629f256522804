package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/pgcluster"
	"holdfast/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// plan is a plan in holdfast.yaml, with a repository and a copy on this disk.
type plan struct {
	t   *testing.T
	dir string
	// binary is holdfast, path where it finds other programs.
	binary, path string
}

// newPlan writes holdfast.yaml with a source named data and its checks, and
// makes the repositories.
func newPlan(t *testing.T, source, objectives, checks string) *plan {
	t.Helper()
	p := &plan{t: t, dir: pgcluster.Folder(t), binary: os.Getenv("HOLDFAST_TEST_BINARY"), path: os.Getenv("PATH")}
	p.write("password", "secret\n")
	p.write("holdfast.yaml", fmt.Sprintf(`repositories:
  local: { url: %[1]s/local, media: disk, site: here, password: { file: password } }
  offsite: { url: %[1]s/offsite, media: tape, site: there, password: { file: password-offsite } }
sources:
  data: { %[2]s }
plans:
  data:
    sources: [data]
    repository: local
    copies: [offsite]
    wal: { every: 0s }
    objectives: { %[3]s }
    restore_test:
      scratch: %[1]s/scratch
      checks: [%[4]s]
`, p.dir, source, objectives, checks))
	p.write("password-offsite", "secret\n")
	p.run("init", "-r", "local")
	p.run("init", "-r", "offsite")
	return p
}

func (p *plan) write(name, content string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		p.t.Fatal(err)
	}
}

// command prepares holdfast to run.
func (p *plan) command(args ...string) *exec.Cmd {
	return program.New(p.t, p.binary).With("PATH="+p.path, "HOLDFAST_CONFIG="+p.dir+"/holdfast.yaml",
		"HOLDFAST_CACHE_DIR="+p.dir+"/cache", "HOLDFAST_STATE_DIR="+p.dir+"/state").Command(args...)
}

func (p *plan) try(args ...string) (stdout, all string, err error) {
	cmd := p.command(args...)
	var out, both strings.Builder
	cmd.Stdout, cmd.Stderr = writers{&out, &both}, &both
	err = cmd.Run()
	return out.String(), both.String(), err
}

type writers []*strings.Builder

func (w writers) Write(b []byte) (int, error) {
	for _, one := range w {
		one.Write(b)
	}
	return len(b), nil
}

func (p *plan) run(args ...string) string {
	p.t.Helper()
	_, out, err := p.try(args...)
	if err != nil {
		p.t.Fatalf("holdfast %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// verified is what `holdfast verify --json` says.
type verified struct {
	Type       string   `json:"message_type"`
	Good       bool     `json:"good"`
	Verdict    string   `json:"verdict"`
	From       string   `json:"from"`
	Findings   []string `json:"findings"`
	EvidenceIn string   `json:"evidence_in"`
	InsteadOf  string   `json:"instead_of"`
}

// verify runs a restore test of what a repository holds.
func (p *plan) verify(from string, args ...string) (verified, error) {
	p.t.Helper()
	tests, _, err := p.verifyAll(from, args...)
	return tests[0], err
}

// verifyAll returns the tests that stood in for it, too, and all that was said.
func (p *plan) verifyAll(from string, args ...string) (tests []verified, all string, err error) {
	p.t.Helper()
	out, all, err := p.try(append([]string{"verify", "--plan", "data", "--json", "--from", from}, args...)...)
	for line := range strings.Lines(out) {
		var v verified
		if json.Unmarshal([]byte(line), &v) == nil && v.Type == "restore_test" {
			tests = append(tests, v)
		}
	}
	if len(tests) == 0 {
		p.t.Fatalf("verify says nothing of a restore test: %v\n%s", err, all)
	}
	return tests, all, err
}

// insteadOf wants the newest record in a repository to be of a good test that
// stood in for one from another.
func (p *plan) insteadOf(failed, good string) {
	p.t.Helper()
	records := p.evidence(good)
	if last := records[len(records)-1].RestoreTest; last.Verdict != "proven" || last.From.Name != good || last.InsteadOf.Name != failed {
		p.t.Errorf("it was not restored from %s instead of %s: %+v", good, failed, last)
	}
}

// good wants a restore test to prove what a repository holds.
func (p *plan) good(from string, args ...string) {
	p.t.Helper()
	if v, err := p.verify(from, args...); err != nil || !v.Good || v.Verdict != "proven" || v.EvidenceIn != from {
		p.t.Errorf("what is good is not proven: %+v, %v", v, err)
	}
}

// caught wants a restore test to fail and to say why, and its record to be kept
// in a repository, signed and in order.
func (p *plan) caught(from, keptIn string, reasons ...string) {
	p.t.Helper()
	v, err := p.verify(from)
	if err == nil || v.Good || v.Verdict != "failed" || v.EvidenceIn != keptIn {
		p.t.Errorf("it is not caught: %+v, %v", v, err)
	}
	text := strings.Join(v.Findings, "\n")
	for _, reason := range reasons {
		if !strings.Contains(text, reason) {
			p.t.Errorf("%q does not say %q", text, reason)
		}
	}
	records := p.evidence(keptIn)
	last := records[len(records)-1]
	if last.RestoreTest.InsteadOf.Name == from {
		last = records[len(records)-2]
	}
	if last.RestoreTest.Verdict != "failed" || last.RestoreTest.From.Name != from || last.Problems == 0 || !last.RestoreTest.Cleanup.Done {
		p.t.Errorf("the record of it: %+v", last)
	}
	p.run("evidence", "verify", "-r", keptIn)
	if left, err := filepath.Glob(filepath.Join(p.dir, "scratch", "*")); err != nil || len(left) > 0 {
		p.t.Errorf("left behind: %q, %v", left, err)
	}
}

// record is a record of evidence.
type record struct {
	Kind        string `json:"kind"`
	Problems    int    `json:"problems"`
	RestoreTest struct {
		Verdict string `json:"verdict"`
		From    struct {
			Name string `json:"name"`
		} `json:"from"`
		InsteadOf struct {
			Name string `json:"name"`
		} `json:"instead_of"`
		Target struct {
			Isolation []string `json:"isolation"`
		} `json:"target"`
		Checks []struct {
			Name string `json:"name"`
			Good bool   `json:"good"`
		} `json:"checks"`
		Cleanup struct {
			Done bool `json:"done"`
		} `json:"cleanup"`
	} `json:"restore_test"`
}

func (p *plan) evidence(repository string) (records []record) {
	p.t.Helper()
	out, all, err := p.try("evidence", "list", "-r", repository, "--kind", "restoretest", "--json")
	if err != nil {
		p.t.Fatalf("evidence list: %v\n%s", err, all)
	}
	for line := range strings.Lines(out) {
		var m struct{ Record record }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			p.t.Fatalf("%v in %s", err, line)
		}
		records = append(records, m.Record)
	}
	return records
}

// standing is how an objective stands.
type standing struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// stands is what `holdfast status --json` says of the plan.
type stands struct {
	Met          bool     `json:"met"`
	RPO          standing `json:"rpo"`
	RTO          standing `json:"rto"`
	Repositories []struct {
		Name string   `json:"name"`
		Down string   `json:"down"`
		RPO  standing `json:"rpo"`
		RTO  standing `json:"rto"`
	} `json:"repositories"`
	Missing []struct {
		Rule string `json:"rule"`
		What string `json:"what"`
	} `json:"missing"`
}

func (p *plan) status() (s stands) {
	p.t.Helper()
	out, all, _ := p.try("status", "data", "--json") //nolint:errcheck // immutability is always missing here
	line, _, _ := strings.Cut(out, "\n")
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		p.t.Fatalf("%v in %s", err, all)
	}
	return s
}

// missing returns the rules that are not kept, with what is said of each.
func (s *stands) missing() string {
	var list []string
	for _, m := range s.Missing {
		list = append(list, m.Rule+": "+m.What)
	}
	return strings.Join(list, "\n")
}

// largest returns the largest pack of a repository.
func (p *plan) largest(repository string) (largest string) {
	p.t.Helper()
	var size int64
	packs, err := filepath.Glob(filepath.Join(p.dir, repository, "data", "*", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, pack := range packs {
		if info, err := os.Stat(pack); err == nil && info.Size() > size {
			largest, size = pack, info.Size()
		}
	}
	return largest
}

// saved is a file as it was.
type saved struct {
	path    string
	content []byte
}

func save(t testing.TB, path string) saved {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return saved{path, content}
}

// put brings the file back.
func (s saved) put(t testing.TB) { t.Helper(); s.write(t, s.content) }

// damage overwrites bytes in the middle of the file.
func (s saved) damage(t testing.TB) {
	t.Helper()
	content := bytes.Clone(s.content)
	for n := range 64 {
		content[len(content)/2+n] ^= 0xff
	}
	s.write(t, content)
}

func (s saved) write(t testing.TB, content []byte) {
	t.Helper()
	err := os.Remove(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, os.WriteFile(s.path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
}
