//go:build !unix

package local

import (
	"io/fs"
	"os"
)

// owner is nothing where files are not handed on.
type owner struct{}

func ownerOf(fs.FileInfo) owner { return owner{} }

func (owner) takeFile(*os.File) {}

func (owner) takeFolder(string) {}
