package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// tree is a set of files to be packed, by their paths without a leading "/".
// Folders need only be named where they are special.
type tree map[string]node

// node is a file, or a folder if its mode says so.
type node struct {
	mode     int64 // permissions
	folder   bool
	uid, gid int
	data     []byte
}

func (t tree) file(name string, mode int64, data []byte) { t[name] = node{mode: mode, data: data} }

// zipped adds a file, compressed.
func (t tree) zipped(name string, data []byte) error {
	small, err := zip(data)
	t.file(name, 0o644, small)
	return err
}

// whole returns the tree with all folders on the way to its files.
func (t tree) whole() tree {
	all := tree{}
	for name, n := range t {
		all[name] = n
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := t[dir]; !ok {
				all[dir] = node{mode: 0o755, folder: true}
			}
		}
	}
	return all
}

// names are the paths in the order in which they are packed: folders before
// what is in them.
func (t tree) names() []string {
	var names []string
	for name := range t {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// pack writes the tree as an archive; prefix comes before every path.
func (t tree) pack(w io.Writer, prefix string, when time.Time) error {
	all := t.whole()
	out := tar.NewWriter(w)
	if prefix != "" {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: prefix, Mode: 0o755, ModTime: when, Format: tar.FormatGNU}); err != nil {
			return err
		}
	}
	for _, name := range all.names() {
		n := all[name]
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: prefix + name, Mode: n.mode, Size: int64(len(n.data)),
			Uid: n.uid, Gid: n.gid, ModTime: when, Format: tar.FormatGNU,
		}
		if n.folder {
			h.Typeflag, h.Name = tar.TypeDir, strings.TrimSuffix(h.Name, "/")+"/"
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := out.Write(n.data); err != nil {
			return err
		}
	}
	return out.Close()
}

// zip compresses, without a name and a time.
func zip(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
