//go:build !linux

package main

import (
	"context"
	"errors"
)

const (
	walCommand  = "wal"
	baseCommand = "base"
)

func walMain(context.Context, []string) error {
	return errors.New("the rate of WAL is measured on Linux only")
}

func baseMain(context.Context, []string) error {
	return errors.New("base backups of PostgreSQL are measured on Linux only")
}
