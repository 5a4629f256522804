package files

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"holdfast/internal/source"
)

// BenchmarkWalk lists and stats 100,000 files in 1,000 directories, which is
// what a backup does in which nothing changed. BenchmarkFind is the same
// done by find, for comparison.
func BenchmarkWalk(b *testing.B) {
	dir := manyFiles(b)
	b.ReportAllocs()
	for b.Loop() {
		s, err := New(Config{Paths: []string{dir}})
		if err != nil {
			b.Fatal(err)
		}
		top, err := s.Open(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if n := countBelow(b, top); n < benchDirs*benchFiles {
			b.Fatalf("%d files", n)
		}
		top.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(benchDirs*benchFiles), "ns/file")
}

func BenchmarkFind(b *testing.B) {
	dir := manyFiles(b)
	for b.Loop() {
		find := exec.Command("find", dir, "-printf", "%s %T@ %C@ %i\n")
		if err := find.Run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(benchDirs*benchFiles), "ns/file")
}

const (
	benchDirs  = 1000
	benchFiles = 100
)

func manyFiles(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for i := range benchDirs {
		sub := filepath.Join(dir, fmt.Sprintf("directory-%d", i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range benchFiles {
			if err := os.WriteFile(fmt.Sprintf("%s/file-%d.txt", sub, j), nil, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir
}

func countBelow(b *testing.B, d source.Dir) int {
	names, err := d.Names(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	count := 0
	for _, name := range names {
		e, err := d.Stat(name)
		if err != nil {
			b.Fatal(err)
		}
		count++
		if !e.IsDir() {
			continue
		}
		sub, err := d.Sub(e)
		if err != nil {
			b.Fatal(err)
		}
		count += countBelow(b, sub)
		sub.Close()
	}
	return count
}
