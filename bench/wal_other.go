//go:build !linux

package main

import (
	"context"
	"errors"
)

const walCommand = "wal"

func walMain(context.Context, []string) error {
	return errors.New("the rate of WAL is measured on Linux only")
}
