// Package app builds what commands and services work with, out of names and
// settings: stores, repositories.
package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/storage"
	"holdfast/storage/annex"
	"holdfast/storage/breaker"
	"holdfast/storage/immutable"
	"holdfast/storage/retry"
	"holdfast/storage/throttle"
)

// StoreOptions tell how a store is reached.
type StoreOptions struct {
	// Create makes the place where it does not exist.
	Create bool
	// Settings are those of the kind of place, such as the region of an S3
	// bucket, by their name.
	Settings map[string]string
	// LogURL, if set, is where the log archive lies. What is holdfast's own lies
	// there, too, when the place holds nothing but the files of restic.
	LogURL string
	// AnyServer takes whoever answers for the server: no certificate is checked.
	AnyServer bool
	// Limits bound the bandwidth.
	Limits throttle.Limits
	// Immutable, unless it is zero, locks every object that is put.
	Immutable immutable.Policy
	// Patience, unless it is zero, is how long an operation is tried again, and
	// a store that then still does not answer is not asked for as long: for
	// those who can read the same elsewhere.
	Patience time.Duration
	// Retrying, if set, is told of every operation that will be tried again.
	Retrying func(op, key string, err error, next time.Duration)
}

// shortestSilence is the least time after which a store that takes a request and
// says nothing is given up by those who can read the same elsewhere: a busy one
// may be slow.
const shortestSilence = 30 * time.Second

// OpenStore opens the place that a repository URL names; see KindOf. The
// caller closes it with storage.Close.
func OpenStore(ctx context.Context, url string, o StoreOptions) (storage.Store, error) {
	if url == "" {
		return nil, errors.New("no repository given: name one with -r or HOLDFAST_REPOSITORY, or let `holdfast protect` make one")
	}
	kind, err := KindOf(url)
	if err != nil {
		return nil, err
	}
	o.Settings = withCertificates(kind, o.Settings)
	s, err := openers[kind](ctx, url, o)
	if err != nil {
		return nil, err
	}
	s = retry.New(throttle.New(s, o.Limits), retry.Policy{Notify: o.Retrying, MaxElapsed: o.Patience})
	if s, err = withAnnex(ctx, s, o); err != nil {
		return nil, err
	}
	if o.Patience > 0 {
		silence := max(o.Patience, shortestSilence)
		if o.Limits != (throttle.Limits{}) {
			silence = 0 // bytes wait for their turn
		}
		s = breaker.New(s, o.Patience, silence)
	}
	if o.Immutable != (immutable.Policy{}) {
		s = immutable.New(s, o.Immutable, nil)
	}
	return s, nil
}

// ownKeys is a Store whose server may refuse what is not restic's.
type ownKeys interface {
	storage.Store
	CheckOwnKeys(ctx context.Context) error
}

// withAnnex gives a store that holds nothing but the files of restic a place
// for what is holdfast's own: beside the log, if that lies elsewhere.
func withAnnex(ctx context.Context, s storage.Store, o StoreOptions) (storage.Store, error) {
	limited, ok := storage.As[ownKeys](s)
	if !ok || o.LogURL == "" || !errors.Is(limited.CheckOwnKeys(ctx), storage.ErrUnsupported) {
		return s, nil
	}
	at := o
	at.LogURL, at.Settings = "", nil
	log, err := OpenStore(ctx, o.LogURL, at)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("log_url: %w", err), storage.Close(s))
	}
	return annex.New(s, log), nil
}
