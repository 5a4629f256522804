package wal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// What a restore_command does not have, a server that recovers reads from its
// pg_wal. So a segment that was put there ahead costs it no program, and no
// renaming: the command only looks whether it is there, with what the shell has
// built in (Look).
//
// Any file of that name will not do: an older one may lie there, or one that was
// cut off. The command wants the very file that was verified, which has a second
// name among those that lie ready. The server itself puts no files there while it
// recovers, as long as it follows no other (xlog.c, InstallXLogFileSegmentActive).
//
// What the server did not ask for is taken back, and nothing is that it may be
// about to read: it notes what it wants before it looks for the second name, and
// that is taken away before the notes are read.

// wantedFile is where a server notes what it wants.
const wantedFile = "wanted"

func (p DeliveryPlace) wanted() string { return filepath.Join(p.Folder, wantedFile) }

// Look is what a restore_command does first, in a shell: it ends with 1, as one
// that has no such file, when the server is to read what was put into its pg_wal.
// folder is the DeliveryPlace's, ready its Ready, both as the shell has them.
func Look(folder, ready string) string {
	return "test -e " + ready + "/%f && echo %f >>" + folder + "/" + wantedFile + " && test " + ready + "/%f -ef pg_wal/%f && exit 1"
}

// put puts a segment that lies ready into pg_wal, as the server does with one
// that it restored: in place of what is there, and marked as archived. It returns
// nil where that cannot be done: then the server asks for it.
func (p DeliveryPlace) put(name string) os.FileInfo {
	if p.WAL == "" || p.markArchived(name) != nil {
		return nil
	}
	link, to := p.coming(name), filepath.Join(p.WAL, name)
	if err := os.Link(p.ready(name), link); err != nil {
		return nil
	}
	if err := os.Rename(link, to); err != nil {
		os.Remove(link) //nolint:errcheck // all of the folder goes in the end
		return nil
	}
	info, err := os.Lstat(to)
	if err != nil {
		return nil
	}
	return info
}

// takeBack removes what was put into pg_wal, unless it has given way to another.
func (p DeliveryPlace) takeBack(name string, placed os.FileInfo) {
	path := filepath.Join(p.WAL, name)
	if there, err := os.Lstat(path); err != nil || !os.SameFile(there, placed) || os.Remove(path) != nil {
		return
	}
	os.Remove(p.archivedMark(name)) //nolint:errcheck // it does no harm
}

// archivedMark is what tells the server not to archive a segment.
func (p DeliveryPlace) archivedMark(name string) string {
	return filepath.Join(p.WAL, "archive_status", name+".done")
}

func (p DeliveryPlace) markArchived(name string) error {
	done := p.archivedMark(name)
	err := os.Rename(strings.TrimSuffix(done, ".done")+".ready", done)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// The folder is the server's, and this process may be root: no link is followed.
	f, err := os.OpenFile(done, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(p.own(done), f.Close())
}

// wants are the notes of what a server wants.
type wants struct {
	path string
	read int64 // so many bytes of them
}

// maxWanted bounds what is read of the notes at once, lines of 25 bytes: far
// more than a server replays between two looks.
const maxWanted = 1 << 20

// more returns the names that were noted since it was called last.
func (w *wants) more() (names []string, err error) {
	f, err := os.Open(w.path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.NewSectionReader(f, w.read, maxWanted))
	if err != nil {
		return nil, err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1] // some of the last line may be missing
	w.read += int64(len(text))
	return strings.Fields(string(text)), nil
}
