package debian

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMirrorIn(t *testing.T) {
	for name, c := range map[string]struct{ sources, want string }{
		"deb822":        {"Types: deb\n# http://snapshot.example/debian/2025\nURIs: http://deb.debian.org/debian\nSuites: bookworm\n", "http://deb.debian.org/debian"},
		"one line":      {"deb https://mirror.example/debian/ bookworm main\n", "https://mirror.example/debian/"},
		"options":       {"deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"},
		"security only": {"URIs: http://deb.debian.org/debian-security\n", ""},
		"comment":       {"# deb http://mirror.example/debian bookworm main\n", ""},
		"empty":         {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mirrorIn([]byte(c.sources)); got != c.want {
				t.Errorf("mirrorIn = %q, want %q", got, c.want)
			}
		})
	}
}

func TestAptRootKeepsTheMachinesStateOut(t *testing.T) {
	root := t.TempDir()
	options, err := aptRoot(root, "sid", DefaultMirror)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Dir::State::status=/dev/null", "Dir::Etc::sourceparts=-", "Dir::State::lists=" + filepath.Join(root, "lists")} {
		if !slices.Contains(options, want) {
			t.Errorf("options lack %s", want)
		}
	}
	list, err := os.ReadFile(filepath.Join(root, "sources.list"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(list), DefaultMirror+" sid main") {
		t.Errorf("sources.list is %q", list)
	}
}
