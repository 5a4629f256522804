package tools

import (
	"os"
	"runtime"
	"testing"
)

// Restic returns the path of restic v0.18.1, the version that interop tests
// and benchmark ratios are defined against. It builds it on first use.
func Restic(t testing.TB) string { t.Helper(); return require(t, "restic") }

// ResticSid returns the path of the newest restic that Debian sid had when the
// cache was filled (0.19 or later). Ask it for its version; do not assume one.
func ResticSid(t testing.TB) string { t.Helper(); return require(t, "restic-sid") }

// Age returns the path of age 1.1, which has age-keygen beside it: archives
// are for programs that are older than they are.
func Age(t testing.TB) string { t.Helper(); return require(t, "age") }

// Zstd returns the path of zstd 1.5.
func Zstd(t testing.TB) string { t.Helper(); return require(t, "zstd") }

// AxeCore returns the path of axe.min.js, which finds in a page what keeps
// people from using it.
func AxeCore(t testing.TB) string { t.Helper(); return require(t, "axe-core") }

// require installs a tool or ends the test. On Linux as root, which is what CI
// is, a tool that cannot be had is a failure: a skipped interop test would look
// like a passed one. Elsewhere the test is skipped.
func require(t testing.TB, name string) string {
	t.Helper()
	path, err := Install(t.Context(), name)
	if err == nil {
		return path
	}
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		t.Fatalf("%v\nsee what is wrong with: go run ./test/tools/cmd/install %s", err, name)
	}
	t.Skipf("%v", err)
	return ""
}
