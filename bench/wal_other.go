//go:build !linux

package main

import (
	"context"
	"errors"
)

const (
	walCommand    = "wal"
	baseCommand   = "base"
	replayCommand = "replay"
)

func walMain(context.Context, []string) error {
	return errors.New("the rate of WAL is measured on Linux only")
}

func baseMain(context.Context, []string) error {
	return errors.New("base backups of PostgreSQL are measured on Linux only")
}

func replayMain(context.Context, []string) error {
	return errors.New("the replay of WAL is measured on Linux only")
}
