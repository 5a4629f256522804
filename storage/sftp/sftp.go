// Package sftp is a storage.Store on a server that is reached over SSH, by
// the SFTP protocol (version 3, with the extensions of OpenSSH where the
// server has them).
//
// The files lie as in a local folder (package storage/local), so a
// repository may be used through both, by restic too.
//
// # Guarantees
//
// Put writes a temporary file beside its destination, has the server flush it
// (fsync@openssh.com), moves it to its final name without replacing another
// file, and has the folder flushed. A connection that breaks leaves at most
// a temporary file, which List skips and Clean removes.
//
// No file is ever replaced where the server can do so in one step: OpenSSH's
// own rename refuses to replace, and other servers with hard links are asked
// for one (hardlink@openssh.com). On a server with neither, two clients that
// put one key at the same instant may replace each other's object.
//
// A server without fsync@openssh.com acknowledges what may still be in its
// memory; nothing can be done about that from here.
//
// # Trust
//
// The server's key is compared with the known_hosts files, always: whatever
// ssh_config says about StrictHostKeyChecking, a server that is not known is
// not talked to. See Options for the other settings that are honoured.
//
// # Latency
//
// Each request costs a round trip, so many are under way at once: a file is
// read and written in pieces of 32 KiB, 64 at a time, which fills 2 MiB of
// line for each connection, and several connections share the work.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"holdfast/storage"
	"holdfast/storage/internal/temporary"
)

// Store keeps objects as files below one folder of a server. Open and Create
// make it; Close ends its connections.
type Store struct {
	location string
	root     string
	fileMode fs.FileMode
	dirMode  fs.FileMode
	pool     *pool

	// dirs holds the folders that are known to survive a power cut.
	dirs durableDirs
	// renames makes "look, then rename" one step within this process, for
	// servers that have no other way.
	renames sync.Mutex
	// pieces are buffers of pieceBytes for reading ahead.
	pieces sync.Pool
	// later are answers nobody waits for, such as those to closing a file.
	later sync.WaitGroup
}

var (
	_ storage.Store   = (*Store)(nil)
	_ storage.Cleaner = (*Store)(nil)
)

// Open connects to the server and opens the store in the folder, which must
// exist: a missing one is most often a disk that is not mounted there, and
// gives storage.ErrNotFound.
func Open(ctx context.Context, o Options) (*Store, error) { return open(ctx, o, false) }

// Create makes the folder with its missing parents, for its owner alone, and
// opens it. A folder that exists already, empty or not, is opened as it is.
func Create(ctx context.Context, o Options) (*Store, error) { return open(ctx, o, true) }

func open(ctx context.Context, o Options, create bool) (*Store, error) {
	dial, err := o.dialer()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.location(), err)
	}
	s := &Store{
		location: o.location(),
		root:     o.Path,
		fileMode: 0o600,
		dirMode:  0o700,
		pool:     newPool(dial, o.connections()),
	}
	s.pieces.New = func() any { return new([pieceBytes]byte) }
	err = s.do(ctx, func(c *conn) error {
		if create {
			if err := s.mkdirAllDurably(c, s.root); err != nil {
				return s.writeError(c, err, 0)
			}
		}
		return s.look(c)
	})
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open %s: %w", s.location, err)
	}
	return s, nil
}

// look checks that the folder is there, and follows the modes its owner chose.
func (s *Store) look(c *conn) error {
	var config fs.FileInfo
	var err error
	atOnce(
		func() { err = s.checkRoot(c) },
		func() { config, _ = c.sftp.Stat(path.Join(s.root, "config")) },
	)
	if err != nil {
		return err
	}
	// restic takes the mode of the config file for the sign that the owner
	// opened the repository to their group.
	if config != nil && config.Mode().IsRegular() && config.Mode().Perm()&0o040 != 0 {
		s.fileMode, s.dirMode = 0o640, 0o750
	}
	return nil
}

// checkRoot returns an error when the folder of the store is not there. It
// wraps ErrNotFound only for a caller who asks for the folder itself.
func (s *Store) checkRoot(c *conn) error {
	info, err := c.sftp.Stat(s.root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("folder %s on the server: %w; mount its disk there", s.root, storage.ErrNotFound)
	case err != nil:
		return fmt.Errorf("folder %s on the server: %w", s.root, err)
	case !info.IsDir():
		return fmt.Errorf("%s on the server is no folder: a file is in the way; move it or choose another folder", s.root)
	}
	return nil
}

// Close ends all connections. Readers still open fail from then on.
func (s *Store) Close() error {
	s.pool.close()
	s.later.Wait()
	return nil
}

// Location is the URL of the folder.
func (s *Store) Location() string { return s.location }

// path turns key into the path of its file on the server.
func (s *Store) path(key string) (string, error) {
	if err := storage.CheckKey(key); err != nil {
		return "", err
	}
	if temporary.Is(path.Base(key)) {
		return "", fmt.Errorf("%w: %q is a name for temporary files", storage.ErrInvalidKey, key)
	}
	return path.Join(s.root, key), nil
}

// atOnce runs functions side by side, to pay for one round trip only.
func atOnce(do ...func()) {
	var wg sync.WaitGroup
	for _, f := range do[1:] {
		wg.Go(f)
	}
	do[0]()
	wg.Wait()
}
