package secret_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"holdfast/internal/secret"
)

func write(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResolve(t *testing.T) {
	t.Setenv("HOLDFAST_TEST_SECRET", " kept as it is ")
	t.Setenv("HOLDFAST_TEST_EMPTY", "")
	folder := t.TempDir()
	cases := []struct {
		name string
		ref  secret.Ref
		want string
		err  string // part of the message; "" when it succeeds
	}{
		{"environment", secret.Ref{Env: "HOLDFAST_TEST_SECRET"}, " kept as it is ", ""},
		{"environment, not set", secret.Ref{Env: "HOLDFAST_TEST_UNSET"}, "", "not set"},
		{"environment, empty", secret.Ref{Env: "HOLDFAST_TEST_EMPTY"}, "", "empty"},
		{"file", secret.Ref{File: write(t, "\tse cret\r\n", 0o600)}, "se cret", ""},
		{"file, missing", secret.Ref{File: filepath.Join(folder, "none")}, "", "secret from file " + filepath.Join(folder, "none") + ": "},
		{"file, empty", secret.Ref{File: write(t, "\n", 0o600)}, "", "empty"},
		{"file, far too long", secret.Ref{File: write(t, strings.Repeat("x", 70_000), 0o600)}, "", "longer than"},
		{"folder", secret.Ref{File: folder}, "", "secret from file"},
		{"command", secret.Ref{Command: []string{"echo", "from command"}}, "from command", ""},
		{"command, failing", secret.Ref{Command: []string{"false", "hunter2"}}, "", "secret from command false: exit status 1"},
		{"command, missing", secret.Ref{Command: []string{"no-such-program-here", "hunter2"}}, "", "secret from command no-such-program-here"},
		{"command, endless", secret.Ref{Command: []string{"head", "-c", "1000000", "/dev/zero"}}, "", "longer than"},
		{"nothing", secret.Ref{}, "", "set env, file or command"},
		{"two places", secret.Ref{Env: "A", File: "b"}, "", "only one"},
		{"no program", secret.Ref{Command: []string{""}}, "", "no program"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if len(c.ref.Command) > 0 && runtime.GOOS == "windows" {
				t.Skip("the programs are those of Unix")
			}
			got, err := c.ref.Resolve(t.Context())
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows an argument: %v", err)
			}
			if got.Reveal() != c.want {
				t.Errorf("got %q, want %q", got.Reveal(), c.want)
			}
		})
	}
}

func TestResolveStopsItsCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program is that of Unix")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := secret.Ref{Command: []string{"sleep", "3600"}}.Resolve(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	value := secret.New("hunter2")
	ref := secret.Ref{Command: []string{"vault", "--token", "hunter2"}}
	holder := struct {
		V secret.Value
		R secret.Ref
		P *secret.Value
		u secret.Value
	}{value, ref, &value, value}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, value, ref, holder, &value)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", value, "ref", ref)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", value, "ref", ref)
	if err := json.NewEncoder(&out).Encode(value); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%X", "hunter2")} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret shows: %s", &out)
		}
	}
}

func TestWarning(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permission bits say nothing on Windows")
	}
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true} {
		path := write(t, "x", 0o600)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		got := secret.Ref{File: path}.Warning()
		if (got != "") != warned || warned && !strings.Contains(got, "chmod 600 "+path) {
			t.Errorf("mode %04o: warning %q", mode, got)
		}
	}
	if got := (secret.Ref{Env: "X"}).Warning(); got != "" {
		t.Errorf("a variable has the warning %q", got)
	}
	if got := (secret.Ref{File: "/no/such/file"}).Warning(); got != "" {
		t.Errorf("a missing file has the warning %q", got)
	}
}

func TestIn(t *testing.T) {
	folder := t.TempDir()
	if got := (secret.Ref{File: "password"}).In(folder); got.File != filepath.Join(folder, "password") {
		t.Errorf("got %s", got.File)
	}
	absolute := filepath.Join(t.TempDir(), "p")
	if got := (secret.Ref{File: absolute}).In(folder); got.File != absolute {
		t.Errorf("got %s", got.File)
	}
}

func TestParseCommand(t *testing.T) {
	cases := []struct {
		line string
		want []string // nil: an error
	}{
		{`pass show holdfast`, []string{"pass", "show", "holdfast"}},
		{`  a   b `, []string{"a", "b"}},
		{`a 'b "c' "d 'e"`, []string{"a", `b "c`, "d 'e"}},
		{`a '' ""`, []string{"a", "", ""}},
		{`a\ b c\\d "e\"f" 'g\h'`, []string{"a b", `c\d`, `e"f`, `g\h`}},
		{`x$HOME;y`, []string{"x$HOME;y"}},
		{`ab'c'"d"`, []string{"abcd"}},
		{``, nil},
		{`'' x`, nil},
		{`a 'b`, nil},
		{`a \`, nil},
	}
	for _, c := range cases {
		got, err := secret.ParseCommand(c.line)
		if (err != nil) != (c.want == nil) {
			t.Errorf("%q: error %v", c.line, err)
		}
		if err == nil && !slices.Equal(got.Command, c.want) {
			t.Errorf("%q: got %q, want %q", c.line, got.Command, c.want)
		}
	}
}
