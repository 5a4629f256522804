package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage/local"
	"holdfast/test/pgcluster"
)

// newDatabase makes a plan for a server with a table in it.
func newDatabase(t *testing.T, source string, settings ...string) (*plan, *pgcluster.Cluster) {
	t.Helper()
	t.Parallel()
	bin := pgcluster.Versions(t)[15]
	c := pgcluster.New(t, bin, settings...)
	c.Exec("CREATE TABLE items (n int PRIMARY KEY, at timestamptz DEFAULT now()); INSERT INTO items SELECT generate_series(1, 1000)")
	network, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(t, fmt.Sprintf(`postgres: { dsn: "%s", %s }`, c.DSN(), source), "rpo: 1h, rto: 1h", strings.Join([]string{
		`{ name: items there, sql: "SELECT count(*) FROM items", expect: "> 0" }`,
		fmt.Sprintf(`{ name: network of its own, sql: "CREATE TEMP TABLE n (n text); COPY n FROM PROGRAM 'readlink /proc/self/ns/net'; SELECT n FROM n", expect: "!= %s" }`, network),
		`{ name: items fresh, sql: "SELECT max(at) FROM items", expect: "< 1h" }`,
		fmt.Sprintf(`{ name: asked by a command, command: [sh, -c, '%s/psql -XAt -d "$HOLDFAST_RESTORED" -c "SELECT count(*) FROM items"'], expect: "> 0" }`, bin),
	}, ", "))
	p.path = bin + ":" + p.path
	return p, c
}

// receive archives the log until it has all that the server wrote up to now.
func (p *plan) receive(c *pgcluster.Cluster, meanwhile func()) {
	p.t.Helper()
	cmd := p.command("wal", "receive", "--plan", "data")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	meanwhile()
	p.waitArchived(c)
	cmd.Process.Signal(syscall.SIGINT) //nolint:errcheck // it may have ended
	cmd.Wait()                         //nolint:errcheck // it was interrupted
	if p.t.Failed() {
		p.t.Logf("wal receive:\n%s", &out)
	}
}

// waitArchived waits until the server was told that all it wrote is archived.
func (p *plan) waitArchived(c *pgcluster.Cluster) {
	p.t.Helper()
	now := c.Query("SELECT pg_current_wal_flush_lsn()")
	for deadline := time.Now().Add(2 * time.Minute); c.Query(fmt.Sprintf(
		"SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' AND flush_lsn >= '%s'", now)) != "1"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Errorf("the log is not archived up to %s", now)
			break
		}
	}
}

// A cluster is proven, then a segment of its log is lost, then a table emptied.
func TestCluster(t *testing.T) {
	p, c := newDatabase(t, "wal: stream")
	p.run("wal", "init", "--plan", "data")
	p.receive(c, func() {
		p.run("plan", "run", "data")
		for range 4 {
			c.Exec("INSERT INTO items SELECT max(n) + 1 FROM items")
			c.Exec("SELECT pg_switch_wal()")
			// One after the other: each record then says that those before it are
			// there.
			p.waitArchived(c)
		}
	})
	p.good("local")
	p.good("offsite")
	for _, point := range []string{"random", "oldest"} {
		p.good("local", "--point", point)
	}
	if s := p.status(); s.RPO.State != "met" || s.RTO.State != "met" {
		t.Errorf("%+v", s)
	}
	records := p.evidence("local")
	text := strings.Join(records[0].RestoreTest.Target.Isolation, "\n")
	if !strings.Contains(text, "listens on no address") || !strings.Contains(text, "a network of its own") || !strings.Contains(text, "without a network") {
		t.Errorf("kept apart by\n%s", text)
	}
	var names []string
	for _, check := range records[0].RestoreTest.Checks {
		names = append(names, check.Name)
	}
	for _, name := range []string{"log archive", "pg_amcheck", "pg_checksums", "items there", "items fresh", "network of its own", "asked by a command"} {
		if !slices.Contains(names, name) {
			t.Errorf("%q was not checked: %q", name, names)
		}
	}

	segments, err := filepath.Glob(filepath.Join(p.dir, "local", "holdfast", "log", "data", "*", "*", "*", "*.record"))
	if err != nil || len(segments) < 5 {
		t.Fatalf("%q, %v", segments, err)
	}
	slices.Sort(segments)
	lost := segments[len(segments)-2]
	if err := os.Rename(lost, filepath.Join(p.dir, "segment")); err != nil {
		t.Fatal(err)
	}
	p.caught("local", "local", "log archive: the log from", "is missing")
	p.insteadOf("local", "offsite")
	if s := p.status(); s.Repositories[0].RPO.State != "unknown" || s.RPO.State != "met" {
		t.Errorf("a repository with a gap in its log: %+v", s)
	}
	if err := os.Rename(filepath.Join(p.dir, "segment"), lost); err != nil {
		t.Fatal(err)
	}
	p.good("local")

	p.receive(c, func() { c.Exec("DELETE FROM items") })
	p.caught("local", "local", "items there: 0, want > 0", "asked by a command: 0, want > 0")
	p.good("local", "--point", "backup-end")
}

// A dump that was cut short is caught, though the repository that holds it is
// sound.
func TestTruncatedDump(t *testing.T) {
	p, c := newDatabase(t, "method: dump")
	p.run("plan", "run", "data")
	p.good("local")
	p.cutDump("local", ".dump")
	p.run("check", "-r", "local", "--read-data")
	p.caught("local", "local")
	p.insteadOf("local", "offsite")
	p.good("offsite")
	c.Exec("TRUNCATE items")
	p.run("plan", "run", "data")
	p.caught("offsite", "offsite", "items there: 0, want > 0")
}

// cutDump makes a snapshot like the newest one of a repository, of files that end
// with a suffix the first half.
func (p *plan) cutDump(in, suffix string) {
	t := p.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := local.Open(filepath.Join(p.dir, in))
	must(err)
	r, err := repository.Open(t.Context(), store, repository.Options{Password: []byte("secret")})
	must(err)
	defer r.Close() //nolint:errcheck // it is checked by the program that reads what was written
	must(r.LoadIndex(t.Context()))
	all, err := r.Snapshots(t.Context())
	must(err)
	w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
	must(err)
	defer w.Close() //nolint:errcheck // it was flushed
	made := snapshot.Sorted(all)[len(all)-1].Clone()
	cut := 0
	var edit func(n *tree.Node)
	edit = func(n *tree.Node) {
		switch {
		case n.Subtree != nil:
			plain, err := r.LoadTree(t.Context(), *n.Subtree, nil)
			must(err)
			b := tree.NewBuilder()
			s := tree.NewScanner(plain)
			for s.Next() {
				edit(s.Node())
				must(b.Add(s.Node()))
			}
			must(s.Err())
			saved, err := w.Save(t.Context(), blob.Tree, b.Bytes())
			must(err)
			n.Subtree = &saved.ID
		case strings.HasSuffix(n.Name, suffix) && len(n.Content) > 0:
			first, err := r.LoadBlob(t.Context(), blob.Handle{ID: n.Content[0], Type: blob.Data}, nil)
			must(err)
			saved, err := w.Save(t.Context(), blob.Data, first[:len(first)/2])
			must(err)
			n.Content, n.Size = append(n.Content[:0:0], saved.ID), uint64(len(first)/2)
			cut++
		}
	}
	root := &tree.Node{Subtree: &made.Tree}
	edit(root)
	if cut == 0 {
		t.Fatalf("no file ends with %s", suffix)
	}
	made.Tree, made.Time, made.Parent = *root.Subtree, time.Now(), nil
	must(w.Flush(t.Context()))
	must(r.SaveSnapshot(t.Context(), made))
}

// A table that is emptied is told of by the backup itself: so many rows were
// never gone before.
func TestRowsThatAreGone(t *testing.T) {
	p, c := newDatabase(t, "method: dump")
	c.Exec("INSERT INTO items SELECT generate_series(1001, 200000)")
	for n := range 6 {
		c.Exec(fmt.Sprintf("INSERT INTO items VALUES (%d)", 200001+n))
		if out := p.run("plan", "run", "data", "--no-copy"); strings.Contains(out, "unlike those before") {
			t.Errorf("a quiet night is told of:\n%s", out)
		}
	}
	c.Exec("TRUNCATE items")
	if out := p.run("plan", "run", "data", "--no-copy"); !strings.Contains(out, "rows gone: 100 % (usually 0 %)") || !strings.Contains(out, "no snapshot of it is removed until") {
		t.Errorf("nobody is told that a table was emptied:\n%s", out)
	}
}
