package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// makeFolder makes a folder whose backup takes several packs of the least
// size, of files large and small.
func makeFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "folder")
	writeFile(t, folder, "large", noise(1, 5<<20))
	for n := range 12 {
		writeFile(t, folder, fmt.Sprintf("sub-%d/file-%d", n%3, n), noise(uint64(100+n), 20_000))
	}
	return folder
}

// changeFolder gives the folder another content, part of it new.
func changeFolder(t *testing.T, folder string) {
	t.Helper()
	writeFile(t, folder, "second", noise(2, 4<<20+700_000))
	writeFile(t, folder, "sub-1/file-1", noise(3, 30_000))
	if err := os.RemoveAll(filepath.Join(folder, "sub-2")); err != nil {
		t.Fatal(err)
	}
}

// writeFile writes a file that is old enough to be trusted.
func writeFile(t testing.TB, folder, name string, data []byte) {
	t.Helper()
	path := filepath.Join(folder, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err == nil {
		err = os.Chtimes(path, old, old)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// noise is content that neither compresses nor repeats.
func noise(seed uint64, size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(data)
	return data
}
