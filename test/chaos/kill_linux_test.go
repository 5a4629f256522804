package chaos

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/oddities"
	"holdfast/test/program"
	"holdfast/test/tools"
)

// killFolderBytes is the size of the folder that is backed up under fire:
// enough for a backup to be struck in the middle of it.
const killFolderBytes = 256 << 20

// A backup that is killed again and again ends at last, restic finds the
// repository sound, and what was uploaded once was not uploaded again.
func TestKilledBackupGoesOn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	for n := range killFolderBytes >> 20 {
		writeFile(t, folder, fmt.Sprintf("sub-%d/file-%d", n%16, n), noise(uint64(n), 1<<20))
	}
	clean := newDiskRepository(t)
	start := time.Now()
	clean.ours.Run(t, "backup", folder)
	took := time.Since(start)

	struck := newDiskRepository(t)
	seed := rand.Uint64()
	t.Logf("kills are drawn with seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for range 5 {
		if struck.killedAfter(t, time.Duration(random.Int64N(int64(took)/3)), "backup", folder) {
			kills++
		}
	}
	struck.ours.Run(t, "backup", folder)
	t.Logf("a clean backup takes %v; %d were killed", took, kills)

	struck.ours.Run(t, "unlock") // the locks of the dead
	struck.restic.Run(t, "check", "--read-data")
	struck.wantRestored(t, folder)
	// Of each run that was killed the packs under way are lost: two of each
	// type being filled, none of which reached the repository.
	want, got := clean.dataBytes(t), struck.dataBytes(t)
	if limit := want + want/20 + 16<<20; got > limit {
		t.Errorf("the packs of the killed backup take %d bytes, those of a clean one %d: parts were uploaded twice", got, want)
	}
}

// diskRepository is a repository on disk with the programs that use it.
type diskRepository struct {
	dir          string
	ours, restic program.Program
}

func newDiskRepository(t *testing.T) diskRepository {
	t.Helper()
	return newDiskRepositoryAt(t, filepath.Join(t.TempDir(), "repository"))
}

func newDiskRepositoryAt(t *testing.T, dir string) diskRepository {
	t.Helper()
	d := diskRepository{
		dir:    dir,
		ours:   program.Holdfast(t).On(dir, password),
		restic: program.New(t, tools.Restic(t)).On(dir, password),
	}
	d.ours.Run(t, "init")
	return d
}

// killedAfter runs a command and kills it after a while; false means that it
// had ended before.
func (d diskRepository) killedAfter(t *testing.T, after time.Duration, args ...string) bool {
	t.Helper()
	cmd := d.ours.Command(args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The password takes half a second, in which nothing happens.
	timer := time.AfterFunc(after+500*time.Millisecond, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	return err != nil && strings.Contains(err.Error(), "killed")
}

// dataBytes is the size of all packs.
func (d diskRepository) dataBytes(t *testing.T) int64 {
	t.Helper()
	var total int64
	err := filepath.WalkDir(filepath.Join(d.dir, "data"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || len(e.Name()) != 64 {
			return err
		}
		info, err := e.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// wantRestored restores the newest snapshot of a folder and compares.
func (d diskRepository) wantRestored(t *testing.T, folder string) {
	t.Helper()
	target := filepath.Join(t.TempDir(), "restored")
	d.ours.Run(t, "restore", "latest", "--target", target)
	oddities.Compare(t, folder, filepath.Join(target, folder))
	if err := os.RemoveAll(target); err != nil {
		t.Fatal(err)
	}
}
