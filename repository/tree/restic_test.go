//go:build unix

package tree

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/xattr"

	"holdfast/repository/id"
	"holdfast/test/tools"
)

// TestTreesOfRestic reads the trees that restic makes of a folder of
// oddities and writes them again: every byte must stay.
func TestTreesOfRestic(t *testing.T) {
	program := tools.Restic(t)
	source := t.TempDir()
	makeOddities(t, source)
	repository := filepath.Join(t.TempDir(), "repository")
	restic := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--no-cache", "--repo", repository}, args...)...)
		cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=x", "TZ=Asia/Kolkata")
		cmd.Dir = source
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("restic %v: %v\n%s", args, err, stderr.Bytes())
		}
		return out
	}
	restic("init", "-q")
	restic("backup", "-q", ".", "--with-atime")
	var snapshots []struct{ Tree string }
	if err := json.Unmarshal(restic("snapshots", "--json"), &snapshots); err != nil || len(snapshots) != 1 {
		t.Fatalf("snapshots %v, %v", snapshots, err)
	}
	nodes := 0
	for queue := []string{snapshots[0].Tree}; len(queue) > 0; queue = queue[1:] {
		data := restic("cat", "blob", queue[0])
		if id.Hash(data).String() != queue[0] {
			t.Fatalf("restic gave other bytes for %s", queue[0])
		}
		b := NewBuilder()
		for e, err := range Nodes(data) {
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Add(&e.Node); err != nil {
				t.Fatal(err)
			}
			if e.Node.Subtree != nil {
				queue = append(queue, e.Node.Subtree.String())
			}
			nodes++
		}
		if got := b.Bytes(); !bytes.Equal(got, data) {
			t.Errorf("\n got %s\nwant %s", got, data)
		}
	}
	if nodes < 20 {
		t.Errorf("only %d nodes were compared", nodes)
	}
}

func makeOddities(t *testing.T, folder string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	for _, name := range []string{
		"plain", "a b", `quote"back\slash'`, "<html>&amp;", "line\nbreak\ttab", "\x01\x7f", "é日本\U0001f600",
		"bad\xff\xfeutf8", "line\u2028separator\u2029", "zero\u200bwidth", strings.Repeat("n", 255),
	} {
		if err := os.WriteFile(in(name), []byte(name), 0o640); err != nil {
			t.Logf("%q cannot be made here: %v", name, err) // file systems that want UTF-8
		}
	}
	must(os.WriteFile(in("empty"), nil, 0o600))
	must(os.WriteFile(in("large"), bytes.Repeat([]byte("0123456789abcdef"), 1<<17), 0o4755))
	must(os.Link(in("plain"), in("linked")))
	must(os.Symlink("plain", in("link")))
	must(os.Symlink("<a>&\u2028", in("link-escaped")))
	if err := os.Symlink("bad\xfftarget", in("link-raw")); err != nil {
		t.Log(err)
	}
	must(syscall.Mkfifo(in("fifo"), 0o600))
	must(os.MkdirAll(in("folder/empty"), 0o1777))
	must(os.Chtimes(in("plain"), StoredTime(fileTime(1)), StoredTime(fileTime(-3e9))))
	must(os.Chtimes(in("empty"), StoredTime(fileTime(0)), StoredTime(fileTime(1e9))))
	setAttribute(t, in("plain"), "user.text", []byte("value"))
	setAttribute(t, in("plain"), "user.empty", nil)
	setAttribute(t, in("plain"), "user.<binary>", []byte{0, 0xff})
	if err := syscall.Mknod(in("device"), syscall.S_IFCHR|0o600, 1<<8|3); err != nil {
		t.Log(err) // for root only
	}
}

func fileTime(second int64) time.Time { return time.Unix(second, 123456000) }

func setAttribute(t *testing.T, path, name string, value []byte) {
	t.Helper()
	if err := xattr.Set(path, name, value); err != nil {
		t.Log(err) // not every file system has them
	}
}
