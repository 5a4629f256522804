package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/internal/wal"
)

// helpFor is how long a helper of `wal fetch` stays when nobody asks it.
const helpFor = time.Minute

// helperWithin bounds how long `wal fetch` waits for a helper to come up.
const helperWithin = time.Minute

// aheadFolder is where, beside the files of the log, a helper keeps what it
// fetches ahead: from there a file comes into place by being renamed.
const aheadFolder = "holdfast"

// lookOrFetch is a restore_command that leaves a file to be read where it was put
// ahead, into the server's pg_wal, and only else runs a program, whose exit code
// counts then: to start one takes longer than to replay some segments.
func lookOrFetch(folder, ready, fetch string) string {
	return wal.Look(quoteForServer(folder), quoteForServer(ready)) + "; exec " + fetch + ` "%f" "%p"`
}

// ownReady is, for a shell in a data directory, where a helper has what it fetched
// ahead for the very server that runs there, which may be started again, and
// nothing that a helper which was killed left for another. Nothing but the shell
// runs to find that out: see takerOf.
const (
	ownReady = walFolder + "/" + aheadFolder + "/ready/$pid.$since"
	knowOwn  = "{ read -r pid; read -r _; read -r since; } <postmaster.pid; "
)

// lookOwnOrFetch is lookOrFetch for a server that has a helper.
func lookOwnOrFetch(fetch string) string {
	return knowOwn + wal.Look(walFolder+"/"+aheadFolder, ownReady) + "; exec " + fetch + ` --place "%f" "%p"`
}

// takeOwnOrFetch is a restore_command that takes a file from where a helper has
// it, or runs a program. It is for a server that itself writes into its pg_wal
// while it recovers, as standbys do.
func takeOwnOrFetch(fetch string) string {
	return knowOwn + "mv -f " + ownReady + `/%f "%p" 2>/dev/null || exec ` + fetch + ` "%f" "%p"`
}

// takerOf names the server that runs on a data directory, as no other that ever
// ran there: by its process and when it began, the first and the third line of
// postmaster.pid. It is "" when none runs.
func takerOf(data string) string {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	lines := strings.SplitN(string(content), "\n", 4)
	if err != nil || len(lines) < 4 {
		return ""
	}
	taker := lines[0] + "." + lines[2]
	if strings.Trim(taker, "0123456789.") != "" {
		return ""
	}
	return taker
}

// quoteForServer quotes a word of a restore_command: for a shell, and for
// PostgreSQL, which takes a percent sign for one of its own.
func quoteForServer(word string) string { return shellQuote(strings.ReplaceAll(word, "%", "%%")) }

// helper returns where the restore_command that wants a file at path finds
// a helper: in a folder of this user's own. It is nil where there can be none, or
// nobody to help.
func (f walFetch) helper() *wal.Helper {
	data, err := filepath.Abs(filepath.Dir(filepath.Dir(f.path)))
	if err != nil || !canDetach || !recovers(data) {
		return nil
	}
	sum := sha256.Sum256([]byte(data))
	all := filepath.Join(os.TempDir(), fmt.Sprintf("holdfast-fetch-%d-", os.Getuid()))
	dir := fmt.Sprintf("%s%x", all, sum[:6])
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) || !isPrivate(dir) {
		return nil
	}
	taker := takerOf(data)
	h := &wal.Helper{
		Folder: dir, Pattern: all + "*", IsOwn: isPrivate, Files: filepath.Join(data, walFolder, aheadFolder), Taker: taker, Idle: helpFor,
		Needed: func() bool { return recovers(data) && serverLives(data) && takerOf(data) == taker },
	}
	if f.place && !follows(data) {
		h.WAL = filepath.Join(data, walFolder)
	}
	return h
}

// walFolder is where a data directory has its log.
const walFolder = "pg_wal"

// recovers tells whether the server of a data directory, as far as one runs,
// is recovering: it removes these files when it is done.
func recovers(data string) bool {
	_, err := os.Stat(filepath.Join(data, "recovery.signal"))
	return err == nil || follows(data)
}

// follows tells whether the server is a standby: one that writes into its pg_wal
// what it gets from another.
func follows(data string) bool {
	_, err := os.Stat(filepath.Join(data, "standby.signal"))
	return err == nil
}

// collect has the helper of a file bring it, which is left behind by the first
// who asks. It is wal.ErrNobody when none comes up.
func (c *command) collect(ctx context.Context, h *wal.Helper, f walFetch) error {
	err := wal.Collect(ctx, wal.HelperSocket(h.Folder), f.name, f.path)
	if !errors.Is(err, wal.ErrNobody) {
		return err
	}
	ended := c.startHelper()
	within := time.After(helperWithin)
	for {
		select {
		case <-ctx.Done():
			return err
		case <-ended:
			return err
		case <-within:
			return err
		case <-time.After(5 * time.Millisecond):
		}
		if err = wal.Collect(ctx, wal.HelperSocket(h.Folder), f.name, f.path); !errors.Is(err, wal.ErrNobody) {
			return err
		}
	}
}

// startHelper leaves a process behind that fetches ahead for those that follow,
// and tells when that has ended all the same. Nothing depends on it: when it
// does not come up, each fetches for itself.
func (c *command) startHelper() <-chan struct{} {
	ended := make(chan struct{})
	program, err := os.Executable()
	if err != nil || !slices.Contains(os.Args, "fetch") {
		close(ended)
		return ended
	}
	cmd := exec.CommandContext(context.Background(), program, append(slices.Clone(os.Args[1:]), "--help-others")...) //nolint:gosec // this program, with its own arguments
	detach(cmd)
	if err := cmd.Start(); err != nil {
		c.ui.warn("fetch ahead", "", err)
		close(ended)
		return ended
	}
	go func() {
		cmd.Wait() //nolint:errcheck // whoever follows tells what is wrong
		close(ended)
	}()
	return ended
}
