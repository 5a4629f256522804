package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// forged is an entry that somebody with a public key wrote.
type forged struct {
	header tar.Header
	node   *tree.Node
	record string // instead of that of the node
}

// forge makes an archive of entries, with all sums right.
func forge(t *testing.T, k key, entries []forged) Placed {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &snapshot.Snapshot{Time: noon, Tree: id.ID{1}, Paths: []string{"/"}}
	stored, err := s.Encode()
	must(err)
	text, err := json.Marshal(label{Format: formatVersion, Kind: Full, Snapshot: stored})
	must(err)
	var plain, packed, sealed bytes.Buffer
	tw := tar.NewWriter(&plain)
	must(tw.WriteHeader(&tar.Header{
		Format: tar.FormatPAX, Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header",
		PAXRecords: map[string]string{nodeRecord: labelMark + string(text)},
	}))
	for _, e := range entries {
		h := e.header
		h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{}
		if e.node != nil {
			e.record = nodeText(e.node)
		}
		if e.record != "" {
			h.PAXRecords[nodeRecord] = e.record
		}
		must(tw.WriteHeader(&h))
	}
	must(tw.Close())
	z, err := zstd.NewWriter(&packed)
	must(err)
	_, err = z.Write(plain.Bytes())
	must(errors.Join(err, z.Close()))
	a, err := age.Encrypt(&sealed, k.keys.recipients...)
	must(err)
	_, err = a.Write(packed.Bytes())
	must(errors.Join(err, a.Close()))

	part := Part{PartName("one", 0, 1), Digest{int64(sealed.Len()), sha256.Sum256(sealed.Bytes())}}
	m := &Manifest{
		Format: formatVersion, Name: "one", Kind: Full, Snapshot: Recorded{Time: noon, Tree: s.Tree}, Entries: uint64(len(entries)),
		Inner: Digest{int64(packed.Len()), sha256.Sum256(packed.Bytes())}, TarBytes: int64(plain.Len()), Parts: []Part{part},
	}
	store := mem.New()
	must(store.Put(t.Context(), "one/"+part.Name, storage.Bytes(sealed.Bytes()), storage.PutOptions{}))
	return Placed{m, Shelf{Store: store}}
}

// Whoever has a public key can make an archive. One that is not what an
// export writes becomes no snapshot.
func TestHostileArchives(t *testing.T) {
	k := makeKey(t)
	file := func(name string) *tree.Node { return &tree.Node{Name: name, Type: tree.File, Mode: 0o644} }
	dir := func(name string) *tree.Node { return &tree.Node{Name: name, Type: tree.Dir} }
	reg := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	for name, entries := range map[string][]forged{
		"no record":           {{header: reg("a")}},
		"a record of nothing": {{header: reg("a"), record: "{"}},
		"two records":         {{header: reg("a"), record: nodeText(file("a")) + "," + nodeText(file("b"))}},
		"another name":        {{header: reg("a"), node: file("b")}},
		"another type":        {{header: reg("a"), node: dir("a")}},
		"no folder":           {{header: reg("d/a"), node: file("a")}},
		"a way out":           {{header: reg("../a"), node: file("a")}},
		"the folder above":    {{header: tar.Header{Typeflag: tar.TypeDir, Name: "../"}, node: dir("..")}},
		"a path":              {{header: reg("/a"), node: file("a")}},
		"out of order":        {{header: reg("b"), node: file("b")}, {header: reg("a"), node: file("a")}},
		"twice":               {{header: reg("a"), node: file("a")}, {header: reg("a"), node: file("a")}},
		"a link to nothing":   {{header: tar.Header{Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}, node: file("a")}},
		"a sparse nothing":    {{header: tar.Header{Typeflag: tar.TypeCont, Name: "a"}, node: file("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			m := makeRepository(t)
			err := Import(t.Context(), m.repo, []Placed{forge(t, k, entries)}, ImportOptions{Identities: k.ids}, func(Imported) { t.Error("it was imported") })
			if err == nil {
				t.Error("no error")
			}
			if all, err := m.repo.Snapshots(t.Context()); err != nil || len(all) > 0 {
				t.Errorf("%d snapshots, %v", len(all), err)
			}
		})
	}
	// The same, made as an export makes it, is imported.
	m, done := makeRepository(t), false
	good := forge(t, k, []forged{{header: reg("a"), node: file("a")}, {header: tar.Header{Typeflag: tar.TypeDir, Name: "d/"}, node: dir("d")}, {header: reg("d/a"), node: file("a")}})
	if err := Import(t.Context(), m.repo, []Placed{good}, ImportOptions{Identities: k.ids}, func(Imported) { done = true }); err != nil || !done {
		t.Error(err)
	}
}
