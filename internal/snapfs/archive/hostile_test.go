package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"holdfast/internal/snapfs"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/tree"
	"holdfast/storage/mem"
)

// What a tar archive cannot hold is left out, and the rest is archived.
func TestNodesThatDoNotFitAreLeftOut(t *testing.T) {
	r, err := repository.Init(t.Context(), mem.New(), repository.InitOptions{
		Password: []byte("pw"), KeyCost: repository.KeyCost{N: 2, R: 1, P: 1},
	}, repository.Options{})
	if err == nil {
		err = r.LoadIndex(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data := []byte(`{"nodes":[`)
	for k, n := range []tree.Node{
		{Name: "a", Type: tree.CharDevice, Device: 1 << 63},
		{Name: "b", Type: tree.Symlink, LinkTarget: "x\x00y"},
		{Name: "c", Type: tree.Socket},
		{Name: "d", Type: tree.Fifo, ExtendedAttributes: []tree.ExtendedAttribute{
			{Name: "user.\x00", Value: []byte("x")}, {Name: "user.a=b%", Value: []byte("\x00")}, {Name: "system.posix_acl_access", Value: []byte("x")},
		}},
		{Name: "e", Type: tree.Symlink, LinkTarget: "target"},
	} {
		if k > 0 {
			data = append(data, ',')
		}
		data = tree.AppendNode(data, &n)
	}
	w, err := r.NewWriter(t.Context(), repository.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	saved, err := w.Save(t.Context(), blob.Tree, append(data, "]}\n"...))
	if err == nil {
		err = w.Flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := snapfs.Open(t.Context(), r, saved.ID)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	var warned []string
	err = Write(t.Context(), Tar, f, "/", f.Root(), &archive, func(path string, _ error) { warned = append(warned, path) })
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "d", "d"}; !slices.Equal(warned, want) {
		t.Errorf("warned of %q, want %q", warned, want)
	}
	var names []string
	for rd := tar.NewReader(&archive); ; {
		h, err := rd.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name == "d" && h.PAXRecords["SCHILY.xattr.user.a%3Db%25"] != "\x00" {
			t.Errorf("attributes of d: %q", h.PAXRecords)
		}
	}
	if !slices.Equal(names, []string{"d", "e"}) {
		t.Errorf("archived %q", names)
	}
}
