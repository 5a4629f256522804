package repository

import (
	"errors"
	"fmt"

	"holdfast/repository/id"
	"holdfast/repository/internal/lock"
	"holdfast/repository/internal/seal"
)

var (
	// ErrNoRepository says that the store holds no repository: there is no
	// config file.
	ErrNoRepository = errors.New("no repository found")
	// ErrExists says that the store already holds a repository.
	ErrExists = errors.New("a repository exists already")
	// ErrWrongPassword says that no key of the repository opens with the
	// password.
	ErrWrongPassword = seal.ErrWrongPassword
	// ErrUnknownVersion says that the repository has a format version that
	// this package cannot read.
	ErrUnknownVersion = errors.New("unknown repository version")
	// ErrVersion1 says that a repository of format v1 would be written to.
	ErrVersion1 = errors.New("repositories of format version 1 are only read")
	// ErrNotIndexed says that no index lists a blob.
	ErrNotIndexed = errors.New("blob is not in the index")
	// ErrLockLost is the cause that ends a lock's context when the lock could
	// not be refreshed in time: another program may hold the repository now.
	ErrLockLost = lock.ErrLost
)

// LockedError says that another program holds the repository.
type LockedError = lock.ConflictError

// CorruptError says that a stored object is damaged: it was read, and it is
// not what was written. It is never retried.
type CorruptError struct {
	// Kind and ID name the file that is damaged.
	Kind FileKind
	ID   id.ID
	// Detail names the part of it, such as a blob; it may be empty.
	Detail string
	Err    error
}

func (e *CorruptError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%s %s is damaged: %v", e.Kind, e.ID.Short(), e.Err)
	}
	return fmt.Sprintf("%s %s is damaged at %s: %v", e.Kind, e.ID.Short(), e.Detail, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// IsCorrupt tells whether err reports damage rather than a failure to read.
func IsCorrupt(err error) bool {
	var c *CorruptError
	return errors.As(err, &c)
}
