package tree

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"holdfast/repository/id"
)

// usualFile is the i-th file of a usual folder.
func usualFile(i int) *Node {
	changed := time.Date(2026, 3, 4, 5, 6, i%60, 123456789, time.UTC)
	return &Node{
		Name: fmt.Sprintf("document-%06d.txt", i), Type: File, Mode: fs.FileMode(0o644),
		ModTime: changed, AccessTime: changed, ChangeTime: changed.Add(time.Hour),
		UID: 1000, GID: 1000, User: "alice", Group: "users", Inode: uint64(1234567 + i), Size: 4321, Links: 1,
		Content: []id.ID{id.Hash([]byte{byte(i)})},
	}
}

func usualTree(nodes int) []byte {
	b := NewBuilder()
	for i := range nodes {
		if err := b.Add(usualFile(i)); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

const benchNodes = 1000

func reportNodes(b *testing.B, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchNodes, "ns/node")
}

func benchmarkScan(b *testing.B, s *Scanner) {
	data := usualTree(benchNodes)
	for b.Loop() {
		s.Reset(data)
		for s.Next() {
		}
		if s.Err() != nil {
			b.Fatal(s.Err())
		}
	}
	reportNodes(b, data)
}

func BenchmarkScan(b *testing.B)      { benchmarkScan(b, NewScanner(nil)) }
func BenchmarkScanLight(b *testing.B) { benchmarkScan(b, NewLightScanner(nil)) }

func BenchmarkFind(b *testing.B) {
	data := usualTree(benchNodes)
	for b.Loop() {
		if _, found, _ := Find(data, "document-000999.txt"); !found {
			b.Fatal("not found")
		}
	}
	reportNodes(b, data)
}

func BenchmarkEncode(b *testing.B) {
	nodes := make([]*Node, benchNodes)
	for i := range nodes {
		nodes[i] = usualFile(i)
	}
	builder := NewBuilder()
	for b.Loop() {
		builder.Reset()
		for _, n := range nodes {
			if err := builder.Add(n); err != nil {
				b.Fatal(err)
			}
		}
	}
	reportNodes(b, builder.Bytes())
}

// BenchmarkEncodingJSON is what the two others replace.
func BenchmarkEncodingJSON(b *testing.B) {
	data := usualTree(benchNodes)
	for b.Loop() {
		var list struct {
			Nodes []*reference `json:"nodes"`
		}
		if err := json.Unmarshal(data, &list); err != nil {
			b.Fatal(err)
		}
	}
	reportNodes(b, data)
}
