package oddities

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// pair of equal oddities folders, made by cp, which knows all but sockets'
// absence and the inodes.
func makeTwo(t *testing.T) (a, b string) {
	t.Helper()
	a, b = t.TempDir(), t.TempDir()+"/copy"
	Make(t, a, Deep) // cp works with paths
	out, err := exec.Command("cp", "-a", a, b).CombinedOutput()
	if err != nil {
		t.Fatalf("cp -a: %v: %s", err, out)
	}
	return a, b
}

func TestCopyIsEqual(t *testing.T) {
	a, b := makeTwo(t)
	Compare(t, a, b)
}

func TestDeepTreeComparesWithItself(t *testing.T) {
	dir := t.TempDir()
	Make(t, dir)
	Compare(t, dir, dir)
}

func TestEachDifferenceIsFound(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, b := makeTwo(t)
	must(os.WriteFile(b+"/sizes/new", nil, 0o644))
	must(os.Chmod(b+"/modes/file-0777", 0o776))
	must(setTime(b+"/times/nanoseconds", time.Unix(1_500_000_000, 123_456_788)))
	must(os.Remove(b + "/hardlinks/two"))
	must(write(b+"/hardlinks", "two"))
	must(os.Remove(b + "/symlinks/to-file"))
	must(os.Symlink("other", b+"/symlinks/to-file"))
	must(exec.Command("cp", "-a", b+"/sizes/sparse", b+"/sizes/copied").Run())
	f, err := os.OpenFile(b+"/sizes/9437185", os.O_WRONLY, 0)
	must(err)
	_, err = f.WriteAt([]byte("x"), 9<<20)
	must(err)
	must(f.Close())

	differences, err := Differences(a, b)
	must(err)
	for _, want := range []string{
		`"/sizes/new": only in the second`,
		`"/sizes/copied": only in the second`,
		`"/sizes/9437185": content differs`,
		`"/modes/file-0777": mode 100777, in the second 100776`,
		`"/times/nanoseconds": modified`,
		`"/hardlinks/two": same file as "/hardlinks/below/three", in the second as "/hardlinks/two"`,
		`"/symlinks/to-file": links to "target", in the second to "other"`,
	} {
		if !slices.ContainsFunc(differences, func(d string) bool { return strings.HasPrefix(d, want) }) {
			t.Errorf("not reported: %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(differences, "\n"))
	}
}
