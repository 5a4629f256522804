package main

import (
	"context"
	"io"
	"os"
)

// warm reads every file of the set, so that it comes out of the page cache for
// each tool alike.
func (s dataSet) warm(ctx context.Context) error {
	files, err := regularFiles(s.dir)
	if err != nil {
		return err
	}
	buf := make([]byte, mib)
	for _, path := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := readThrough(path, buf); err != nil {
			return err
		}
	}
	return nil
}

func readThrough(path string, buf []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
