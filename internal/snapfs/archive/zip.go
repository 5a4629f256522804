package archive

import (
	"archive/zip"
	"context"
	"io"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"

	"holdfast/internal/snapfs"
	"holdfast/repository/tree"
)

// zipSink writes zip archives.
type zipSink struct {
	fs   *snapfs.FS
	w    *zip.Writer
	warn WarnFunc
}

func newZip(f *snapfs.FS, w io.Writer, warn WarnFunc) *zipSink {
	z := zip.NewWriter(w)
	// One compressor takes some 600 KiB: the files, which come one after the
	// other, share it.
	var shared *flate.Writer
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (_ io.WriteCloser, err error) {
		if shared != nil {
			shared.Reset(w)
			return shared, nil
		}
		shared, err = flate.NewWriter(w, flate.DefaultCompression)
		return shared, err
	})
	return &zipSink{fs: f, w: z, warn: warn}
}

func (s *zipSink) close() error { return s.w.Close() }

func (s *zipSink) add(ctx context.Context, name string, n *tree.Node) error {
	h := &zip.FileHeader{Name: name, Modified: n.ModTime, NonUTF8: !utf8.ValidString(name)}
	h.SetMode(n.Mode)
	switch n.Type {
	case tree.Dir:
		h.Name += "/"
		_, err := s.w.CreateHeader(h)
		return err
	case tree.Symlink:
		w, err := s.w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(w, n.LinkTarget)
		}
		return err
	case tree.File:
		h.Method = zip.Deflate
		w, err := s.w.CreateHeader(h)
		if err != nil {
			return err
		}
		return s.fs.WriteFile(ctx, n, w)
	}
	s.warn(name, errUnsupported)
	return nil
}
