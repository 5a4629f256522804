package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"holdfast/test/tools/debian"
)

// sourceTree is D1: the kernel source as Debian packages it, unpacked. About
// 80,000 small files of text.
type sourceTree struct {
	downloads string
	folders   []string // only these, when not empty
}

const (
	sourcePackage = "linux-source-6.1"
	sourceSuite   = "bookworm" // the one that has this package
)

// build unpacks the tar inside the package inside dir.
func (s sourceTree) build(ctx context.Context, dir string) error {
	deb, err := s.download(ctx)
	if err != nil {
		return err
	}
	members := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	out, err := members.StdoutPipe()
	if err != nil {
		return err
	}
	if err := members.Start(); err != nil {
		return err
	}
	unpackErr := s.unpackInner(ctx, tar.NewReader(out), dir)
	_, drainErr := io.Copy(io.Discard, out) // else dpkg-deb dies of a closed pipe
	return errors.Join(unpackErr, drainErr, members.Wait())
}

// download returns the package's file, from an earlier download if there is one.
func (s sourceTree) download(ctx context.Context) (string, error) {
	have := func() string {
		debs, _ := filepath.Glob(filepath.Join(s.downloads, sourcePackage+"_*.deb"))
		if len(debs) == 0 {
			return ""
		}
		return debs[0]
	}
	if deb := have(); deb != "" {
		return deb, nil
	}
	if err := os.MkdirAll(s.downloads, 0o755); err != nil {
		return "", err
	}
	if _, err := debian.Download(ctx, sourceSuite, s.downloads, sourcePackage); err != nil {
		return "", err
	}
	return have(), nil
}

// unpackInner finds the source's own tar.xz in the package and unpacks that.
func (s sourceTree) unpackInner(ctx context.Context, members *tar.Reader, dir string) error {
	for {
		h, err := members.Next()
		if err != nil {
			return fmt.Errorf("looking for the source in the package: %w", err)
		}
		if strings.HasSuffix(h.Name, "/"+sourcePackage+".tar.xz") {
			break
		}
	}
	args := []string{"--extract", "--xz", "--directory", dir, "--strip-components", "1"}
	for _, folder := range s.folders {
		args = append(args, sourcePackage+"/"+folder)
	}
	unpack := exec.CommandContext(ctx, "tar", args...)
	unpack.Stdin = members
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking the source: %w: %s", err, out)
	}
	return nil
}
