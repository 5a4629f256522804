package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// imageFolders are where the image's content comes from: programs, libraries,
// text and headers, the usual mix of a server's disk.
var imageFolders = strings.Fields("/usr/bin /usr/sbin /usr/share /usr/lib/x86_64-linux-gnu /usr/lib/gcc " +
	"/usr/lib/python3 /usr/include /usr/local/go/src /usr/local/go/pkg")

// buildImage makes an ext4 image holding parts of this machine's /usr, the
// rest of it zeros. It is the one part of the data that differs from machine
// to machine.
func (m mixed) buildImage(ctx context.Context, path string) error {
	staged := path + ".content"
	defer os.RemoveAll(staged)
	if err := stageContent(staged, 1450*mib/m.divisor); err != nil {
		return fmt.Errorf("copying its content: %w", err)
	}
	const id = "11111111-2222-3333-4444-555555555555"
	sparse := path + ".sparse"
	defer os.Remove(sparse)
	mkfs := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-U", id,
		"-E", "hash_seed="+id+",lazy_itable_init=0", "-d", staged, sparse, strconv.FormatInt(m.imageBytes()>>10, 10)+"k")
	mkfs.Env = append(os.Environ(), "E2FSPROGS_FAKE_TIME=1700000000", "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
	if out, err := mkfs.CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4 (apt-get install e2fsprogs): %w: %s", err, out)
	}
	// Written in full: a file with holes would be cheaper for some tools to
	// read than the image of a used disk.
	return writeFile(path, func(w io.Writer) error {
		f, err := os.Open(sparse)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}

// stageContent copies files into dir until together they are as large as want
// bytes allows. Files that cannot be read are left out.
func stageContent(dir string, want int64) error {
	var total int64
	for _, top := range imageFolders {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return skipUnreadable(err)
			}
			if !d.Type().IsRegular() {
				return nil
			}
			info, err := d.Info()
			if err != nil {
				return skipUnreadable(err)
			}
			if info.Size() > 200*mib || total+info.Size() > want {
				return nil
			}
			total += info.Size()
			return stageFile(path, filepath.Join(dir, path))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// skipUnreadable forgives what a machine may lack or forbid.
func skipUnreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func stageFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return skipUnreadable(err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	err = writeFile(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
	if err != nil {
		return err
	}
	fixed := time.Unix(1_700_000_000, 0)
	return os.Chtimes(to, fixed, fixed)
}
