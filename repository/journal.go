package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/index"
)

// A journal lists the packs a Writer has stored since its last index file.
// When the process is killed, the next one finds the journal, looks which of
// those packs are really there, and indexes them: what was uploaded is not
// uploaded again. A lost journal costs only that, so a journal that cannot be
// written is given up.
//
// A journal is one line for each pack, in the form of an index file that
// lists no blobs of it, in the cache folder of the repository. Its owner holds
// a lock on it.
type journal struct {
	f      *os.File
	failed bool // a line is missing, or half there
}

const (
	journalPrefix = "journal-"
	// maxJournalBytes bounds what is read back, at some 100 bytes for a pack: a
	// Writer resets its journal at 50,000 blobs.
	maxJournalBytes = 64 << 20
)

// newJournal starts a journal; without a cache folder there is none, and a
// nil journal does nothing.
func (r *Repository) newJournal() *journal {
	f, err := r.OpenWorkFile(journalPrefix + id.Random().Short())
	if err != nil || f == nil {
		r.warn(err)
		return nil
	}
	return &journal{f: f}
}

// add appends a pack. The line reaches the kernel at once, which survives
// a killed process; a crash of the machine may lose it.
func (j *journal) add(p PackContent) error {
	if j == nil || j.failed {
		return nil
	}
	if _, err := j.f.Write(append(index.Encode([]PackContent{{ID: p.ID}}), '\n')); err != nil {
		j.failed = true
		return fmt.Errorf("write journal: %w; an interrupted backup may upload more again", err)
	}
	return nil
}

// reset forgets the packs that an index file lists now, which are all but
// those given.
func (j *journal) reset(left []PackContent) error {
	if j == nil {
		return nil
	}
	err := j.f.Truncate(0)
	if err == nil {
		_, err = j.f.Seek(0, io.SeekStart)
	}
	if err != nil {
		j.failed = true
		return fmt.Errorf("reset journal: %w", err)
	}
	j.failed = false
	for _, p := range left {
		if err := j.add(p); err != nil {
			return err
		}
	}
	return nil
}

// close ends the journal. One that still lists packs is kept for the next
// process.
func (j *journal) close() error {
	if j == nil {
		return nil
	}
	info, err := j.f.Stat()
	if err == nil && info.Size() == 0 {
		err = os.Remove(j.f.Name())
	}
	return errors.Join(err, j.f.Close())
}

// RecoverUploads indexes the packs that earlier processes on this machine
// uploaded but did not live to index, and returns how many those are. It
// needs a lock and the index; it is called before a backup starts.
func (r *Repository) RecoverUploads(ctx context.Context) (packs int, err error) {
	dir, err := r.CacheDir()
	if err != nil || dir == "" {
		return 0, err
	}
	names, err := filepath.Glob(filepath.Join(escapeGlob(dir), journalPrefix+"*"))
	if err != nil {
		return 0, fmt.Errorf("find journals: %w", err)
	}
	for _, name := range names {
		n, err := r.recoverJournal(ctx, name)
		packs += n
		if err != nil {
			return packs, fmt.Errorf("recover uploads: %w", err)
		}
	}
	return packs, nil
}

// recoverJournal indexes the packs of one journal and removes it, unless its
// owner lives.
func (r *Repository) recoverJournal(ctx context.Context, name string) (int, error) {
	f, err := r.OpenWorkFile(filepath.Base(name))
	if err != nil || f == nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // nothing was written through it
	found, err := r.durablePacks(ctx, f)
	if err != nil {
		return 0, err
	}
	if len(found) > 0 {
		if _, err := r.SaveIndex(ctx, found); err != nil {
			return 0, err
		}
	}
	return len(found), os.Remove(f.Name())
}

// durablePacks reads a journal up to the first line that makes no sense (the
// machine may have crashed) and returns the packs that the store holds whole
// and no index lists.
func (r *Repository) durablePacks(ctx context.Context, f *os.File) ([]PackContent, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, min(info.Size(), maxJournalBytes))
	if _, err := f.ReadAt(data, 0); err != nil && len(data) > 0 {
		return nil, err
	}
	var found []PackContent
	for line := range bytes.Lines(data) {
		packID, ok := decodeJournalLine(line)
		if !ok {
			break
		}
		blobs, err := r.readUnindexed(ctx, packID)
		if err != nil {
			return nil, err
		}
		if len(blobs) > 0 {
			found = append(found, PackContent{ID: packID, Blobs: blobs})
		}
	}
	return found, nil
}

// decodeJournalLine returns the pack that a line names.
func decodeJournalLine(line []byte) (packID id.ID, ok bool) {
	n := 0
	err := index.Decode(line, func(pack id.ID, _ []blob.Blob) error {
		packID = pack
		n++
		return nil
	})
	return packID, err == nil && n == 1
}

// readUnindexed returns the blobs of a pack that the store holds whole and
// that no index file lists, and none for any other. It asks the pack, not the
// journal: the store may not hold what a crashed machine believed to have
// written.
func (r *Repository) readUnindexed(ctx context.Context, packID id.ID) ([]blob.Blob, error) {
	info, err := r.store.Stat(ctx, PackFile.Key(packID))
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at pack %s: %w", packID.Short(), err)
	}
	blobs, err := r.ReadPackHeader(ctx, packID, info.SizeBytes)
	if IsCorrupt(err) || isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, l := range r.index.LookupAll(nil, blobs[0].Handle) {
		if l.Pack == packID {
			return nil, nil
		}
	}
	return blobs, nil
}

// escapeGlob makes a path match only itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
