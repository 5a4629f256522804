package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// examine looks for damage in the file of the values before the engine opens
// it: the engine would end the process. It reads the whole file, which is
// small.
func examine(dir string) (err error) {
	path := filepath.Join(dir, "member", "snap", "db")
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Size() == 0: // a crash at the very beginning
		return os.Remove(path)
	}
	// A damaged page points anywhere: both what the library checks and what
	// the processor does arrive here as a panic.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w (%v)", ErrDamaged, r)
		}
	}()
	return examineFile(path, wal.Exist(filepath.Join(dir, "member", "wal")))
}

func examineFile(path string, logged bool) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return ErrInUse
	}
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	found := db.View(func(tx *bolt.Tx) error {
		if !logged && applied(tx) > 0 {
			return errors.New("its log is gone")
		}
		return tx.ForEach(readAll)
	})
	if found != nil {
		found = fmt.Errorf("%w (%w)", ErrDamaged, found)
	}
	return errors.Join(found, db.Close())
}

// readAll reads a bucket in its order. The library's own check does more, but
// in goroutines whose panics nobody can catch.
func readAll(name []byte, bucket *bolt.Bucket) error {
	var last []byte
	return bucket.ForEach(func(key, value []byte) error {
		if value == nil {
			return fmt.Errorf("%s holds a bucket", name)
		}
		if last != nil && bytes.Compare(last, key) >= 0 {
			return fmt.Errorf("%s is out of order", name)
		}
		last = append(last[:0], key...)
		return nil
	})
}

// applied returns how much of the engine's log the values contain.
func applied(tx *bolt.Tx) uint64 {
	meta := tx.Bucket(schema.Meta.Name())
	if meta == nil {
		return 0
	}
	index := meta.Get(schema.MetaConsistentIndexKeyName)
	if len(index) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(index)
}
