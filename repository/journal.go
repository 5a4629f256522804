package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
// uploaded again. A lost journal costs only that.
//
// A journal is one line for each pack, in the form of an index file, in the
// cache folder of the repository. Its owner holds a lock on it.
type journal struct {
	f *os.File
}

const (
	journalPrefix = "journal-"
	// maxJournalBytes bounds what is read back: a Writer resets its journal
	// at 50,000 blobs.
	maxJournalBytes = 64 << 20
)

// newJournal starts a journal; without a cache folder there is none, and a
// nil journal does nothing.
func (r *Repository) newJournal() (*journal, error) {
	f, err := r.OpenWorkFile(journalPrefix + id.Random().Short())
	if err != nil || f == nil {
		return nil, err
	}
	return &journal{f: f}, nil
}

// add appends a pack. The line reaches the kernel at once, which survives
// a killed process; a crash of the machine may lose it.
func (j *journal) add(p PackContent) error {
	if j == nil {
		return nil
	}
	if _, err := j.f.Write(append(index.Encode([]PackContent{p}), '\n')); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// reset forgets the packs: an index file lists them now.
func (j *journal) reset() error {
	if j == nil {
		return nil
	}
	err := j.f.Truncate(0)
	if err == nil {
		_, err = j.f.Seek(0, 0)
	}
	if err != nil {
		return fmt.Errorf("reset journal: %w", err)
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
		p, ok := decodeJournalLine(line)
		if !ok {
			break
		}
		durable, err := r.isDurable(ctx, p)
		if err != nil {
			return nil, err
		}
		if durable {
			found = append(found, p)
		}
	}
	return found, nil
}

func decodeJournalLine(line []byte) (PackContent, bool) {
	var p PackContent
	err := index.Decode(line, func(pack id.ID, blobs []blob.Blob) error {
		p = PackContent{ID: pack, Blobs: append([]blob.Blob(nil), blobs...)}
		return nil
	})
	return p, err == nil && len(p.Blobs) > 0
}

// isDurable compares the pack's own header with the journal: the store may
// not hold what a crashed machine believed to have written.
func (r *Repository) isDurable(ctx context.Context, p PackContent) (bool, error) {
	if l, ok := r.index.Lookup(p.Blobs[0].Handle); ok && l.Pack == p.ID {
		return false, nil
	}
	info, err := r.store.Stat(ctx, PackFile.Key(p.ID))
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	blobs, err := r.ReadPackHeader(ctx, p.ID, info.SizeBytes)
	if IsCorrupt(err) {
		return false, nil
	}
	return len(blobs) == len(p.Blobs), err
}

// escapeGlob makes a path match only itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
