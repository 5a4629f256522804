// Package app builds what commands and services work with, out of names and
// settings: stores, repositories.
package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast/storage"
	"holdfast/storage/local"
	"holdfast/storage/retry"
	"holdfast/storage/throttle"
)

// StoreOptions tell how a store is reached.
type StoreOptions struct {
	// Create makes the place where it does not exist.
	Create bool
	// Limits bound the bandwidth.
	Limits throttle.Limits
	// Retrying, if set, is told of every operation that will be tried again.
	Retrying func(op, key string, err error, next time.Duration)
}

// OpenStore opens the place that a repository URL names: a path, also
// written local:PATH.
func OpenStore(url string, o StoreOptions) (storage.Store, error) {
	if url == "" {
		return nil, errors.New("no repository given: name one with -r or HOLDFAST_REPOSITORY, or let `holdfast protect` make one")
	}
	path, err := localPath(url)
	if err != nil {
		return nil, err
	}
	open := local.Open
	if o.Create {
		open = local.Create
	}
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	return retry.New(throttle.New(s, o.Limits), retry.Policy{Notify: o.Retrying}), nil
}

// localPath returns the folder that a URL names, or an error that tells what
// kinds of places there are.
func localPath(url string) (string, error) {
	if path, ok := strings.CutPrefix(url, "local:"); ok {
		return filepath.Clean(path), nil
	}
	scheme, _, found := strings.Cut(url, ":")
	if found && !strings.ContainsAny(scheme, `/\.`) && len(scheme) > 1 {
		if _, err := os.Lstat(url); err != nil {
			return "", fmt.Errorf("repository %q: places of kind %q are not supported yet; give a path, or local:PATH for one with a colon", scheme+":…", scheme)
		}
	}
	return filepath.Clean(url), nil
}
