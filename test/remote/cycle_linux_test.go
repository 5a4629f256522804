package remote

import (
	"strings"
	"testing"
)

// Both programs make, fill, check, thin out and restore a repository on each
// kind of store, one after the other.
func TestBothOnEveryKind(t *testing.T) {
	for name, open := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t)
			folder := makeFolder(t)
			if r := p.exits(t, 10, "snapshots"); !strings.Contains(r.Stderr, "no repository") && !strings.Contains(r.Stderr, "no config") {
				t.Errorf("a place without a repository: %s", r.Stderr)
			}
			p.run(t, "init")
			p.exits(t, 1, "init")
			p.run(t, "backup", folder)
			p.run(t, "check", "--read-data")
			p.runRestic(t, "check", "--read-data")
			wantRestored(t, p.runRestic, folder)

			changeFolder(t, folder)
			p.runRestic(t, "backup", folder)
			p.run(t, "check", "--read-data")
			wantRestored(t, p.run, folder)

			writeFile(t, folder, "third", 9, 100_000)
			p.run(t, "backup", folder)
			p.run(t, "forget", "--keep-last", "1", "--group-by", "paths", "--prune", "--max-unused", "0")
			p.runRestic(t, "check", "--read-data")
			wantRestored(t, p.run, folder)
			wantRestored(t, p.runRestic, folder)

			// What restic thins out is whole for holdfast, too.
			changeFolder(t, folder)
			p.runRestic(t, "backup", folder)
			p.runRestic(t, "forget", "--keep-last", "1", "--group-by", "paths", "--prune", "--max-unused", "0")
			p.run(t, "check", "--read-data")
			wantRestored(t, p.run, folder)

			if locks := p.runRestic(t, "list", "locks", "--no-lock", "--quiet"); locks != "" {
				t.Errorf("locks are left: %s", locks)
			}
		})
	}
}

// A repository that restic made is as good as one of holdfast's.
func TestRepositoriesOfRestic(t *testing.T) {
	for name, open := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t)
			folder := makeFolder(t)
			p.runRestic(t, "init")
			p.runRestic(t, "backup", folder)
			wantRestored(t, p.run, folder)
			p.run(t, "backup", folder)
			p.run(t, "check", "--read-data")
			p.runRestic(t, "check", "--read-data")
		})
	}
}

// One connection is enough for everything, however slow.
func TestOneConnection(t *testing.T) {
	for _, kind := range []string{"s3", "azure", "gs", "sftp", "rest"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := places[kind](t)
			p.oursOptions = append(p.oursOptions, "-o", kind+".connections=1")
			folder := makeFolder(t)
			p.run(t, "init")
			p.run(t, "backup", folder)
			p.run(t, "check", "--read-data")
			wantRestored(t, p.run, folder)
			changeFolder(t, folder)
			p.run(t, "backup", folder)
			p.run(t, "forget", "--keep-last", "1", "--prune", "--max-unused", "0")
			wantRestored(t, p.run, folder)
		})
	}
}
