// Package repair saves what can be saved of a damaged repository. The three
// repairs build on each other, in this order:
//
//   - Index makes index files say what the packs hold.
//   - Packs moves what is whole in damaged packs to new ones.
//   - Snapshots leaves out of snapshots what is lost for good.
//
// Each needs the exclusive lock, may be cut off at any instant and run again:
// what replaces a file is durable before the file is deleted.
package repair

import (
	"errors"
	"fmt"

	"holdfast/repository"
	"holdfast/repository/id"
)

// damagedIndexes returns the index files that are damaged. One that could not
// be read for another reason may be whole: nothing can be decided then.
func damagedIndexes(bad []*repository.FileError) ([]id.ID, error) {
	var damaged []id.ID
	for _, f := range bad {
		files, ok := repository.DamagedIndexFiles(f)
		if !ok {
			return nil, fmt.Errorf("load index: %w", f)
		}
		damaged = append(damaged, files...)
	}
	return damaged, nil
}

// errDamagedIndex asks for the repair that must come first.
var errDamagedIndex = errors.New("index files are damaged: run `holdfast repair index` first")
