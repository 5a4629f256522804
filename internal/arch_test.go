// Package arch_test keeps the shape of the project: docs/ARCHITECTURE.md
// draws the rings, this package holds every import to them.
//
// It reads the files itself instead of asking the go command, so that the
// test cache sees what it depends on and runs it again when they change.
package arch_test

import (
	"os"
	"slices"
	"testing"
)

// The rings, from the outside in. A package may import packages of rings
// further in, and of its own ring only what shortcuts allows.
const (
	// tool: programs beside the product. Nothing imports them but each other.
	tool ring = iota
	// command: main, a few lines.
	command
	// shell: the command line, the wiring and the configuration. The only
	// ring that names implementations.
	shell
	// role: what runs for long and has others work.
	role
	// job: what holdfast does to repositories and sources.
	job
	// engine: how each kind of source is read and written.
	engine
	// public: the engine of the repository format, for other programs too.
	// It imports nothing of internal.
	public
	// rule: decisions, from facts to an answer with its reason. No I/O and
	// no clock.
	rule
	// basic: small things everybody may use.
	basic
)

// placed puts every package into its ring. "x/..." is x and all below it.
var placed = map[string]ring{
	"bench":   tool,
	"test":    tool,
	"tools":   tool,
	"example": tool,

	"cmd/holdfast": command,

	"internal/cli":    shell,
	"internal/app":    shell,
	"internal/config": shell,

	"internal/api":        role,
	"internal/controller": role,
	"internal/web":        role,

	"internal/archive":    job,
	"internal/backup":     job,
	"internal/lifecycle":  job,
	"internal/pitr":       job,
	"internal/repair":     job,
	"internal/restore":    job,
	"internal/restserver": job,
	"internal/verify":     job,
	"internal/wal":        job,
	"internal/upkeep":     job,

	"internal/evidence":   engine,
	"internal/history":    engine,
	"internal/hold":       engine,
	"internal/ledger":     engine,
	"internal/logarchive": engine,
	"internal/metrics":    engine,
	"internal/notify":     engine,
	"internal/postgres":   engine,
	"internal/snapfs":     engine,
	"internal/source":     engine,

	"repository": public,
	"storage":    public,

	"internal/anomaly":    rule,
	"internal/cost":       rule,
	"internal/objective":  rule,
	"internal/redundancy": rule,
	"internal/expect":     rule,
	"internal/retention":  rule,
	"internal/schedule":   rule,
	"internal/standing":   rule,

	"internal/crc32c":   basic,
	"internal/event":    basic,
	"internal/filemode": basic,
	"internal/kit":      basic,
	"internal/pattern":  basic,
	"internal/proc":     basic,
	"internal/secret":   basic,
	"internal/size":     basic,
	"internal/trace":    basic,
}

// shortcuts are the imports allowed between families of one ring. A family
// is an entry of placed: a package and all below it.
var shortcuts = map[string][]string{
	"internal/metrics":  {"internal/history"},
	"internal/standing": {"internal/objective"},
	"internal/source":   {"internal/postgres"},
	"bench":             {"test"},
	"internal/cli":      {"internal/app", "internal/config"},
	"internal/app":      {"internal/config"},
	"internal/web":      {"internal/api"},
	"repository":        {"storage"},
}

// implementations stand behind an interface. Their users hold the interface;
// the shell, which builds everything, names them, and so do tools.
var implementations = []string{
	"internal/source/files",
	"internal/source/postgres",
	"storage/annex",
	"storage/breaker",
	"storage/azure",
	"storage/confirm",
	"storage/fault",
	"storage/gcs",
	"storage/immutable",
	"storage/local",
	"storage/mem",
	"storage/rest",
	"storage/retry",
	"storage/s3",
	"storage/sftp",
	"storage/storagetest",
	"storage/throttle",
}

// pure are packages of the public ring that rules and basics may use all the
// same: values without behaviour.
var pure = []string{"repository/id"}

func TestArchitecture(t *testing.T) {
	found, err := check(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

// A name in the tables that no folder has is a rename that was forgotten.
func TestImplementationsExist(t *testing.T) {
	for _, path := range slices.Concat(implementations, pure) {
		if _, err := os.Stat("../" + path); err != nil {
			t.Error(err)
		}
	}
}
