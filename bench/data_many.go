package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// many are files of a few bytes, each of its own, 100 to a folder: a backup of
// them in which nothing changed is a walk.
type many struct{ files int }

const filesPerFolder = 100

func (m many) build(ctx context.Context, dir string) error {
	folder := ""
	for n := range m.files {
		if n%filesPerFolder == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			k := n / filesPerFolder
			folder = filepath.Join(dir, fmt.Sprintf("%03d", k/100), fmt.Sprintf("%02d", k%100))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02d.txt", n%filesPerFolder)), fmt.Appendf(nil, "file %d\n", n), 0o644); err != nil {
			return err
		}
	}
	return nil
}
