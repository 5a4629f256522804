package restserver

import (
	"reflect"
	"strings"
	"testing"

	"holdfast/storage"
)

func TestParsePath(t *testing.T) {
	id := strings.Repeat("3f", 32)
	tests := []struct {
		path string
		want target
		ok   bool
	}{
		{"/", target{what: repository, folders: []string{}}, true},
		{"/alice", target{what: repository, folders: []string{"alice"}}, true},
		{"/alice/laptop/", target{what: repository, folders: []string{"alice", "laptop"}}, true},
		{"/config", target{what: object, folders: []string{}, kind: "config", key: "config"}, true},
		{"/alice/data/" + id, target{what: object, folders: []string{"alice"}, kind: "data", key: "data/3f/" + id, hash: id}, true},
		{"/alice/laptop/keys/", target{what: list, folders: []string{"alice", "laptop"}, kind: "keys", key: "keys/"}, true},
		{"/holdfast/", target{what: list, folders: []string{}, kind: "holdfast", key: "holdfast/"}, true},
		{"/a/holdfast/log/shop/", target{what: list, folders: []string{"a"}, kind: "holdfast", key: "holdfast/log/shop/"}, true},
		{"/a/holdfast/data/config", target{what: object, folders: []string{"a"}, kind: "holdfast", key: "holdfast/data/config"}, true},
		{path: ""},
		{path: "//config"},
		{path: "/a/b/c/config"},
		{path: "/../config"},
		{path: "/alice/../bob/config"},
		{path: "/alice/./config"},
		{path: "/config/"},
		{path: "/config/x"},
		{path: "/data"},
		{path: "/data/3f"},
		{path: "/data/3f/" + id},
		{path: "/data/../" + id},
		{path: "/data/" + strings.ToUpper(id)},
		{path: "/holdfast"},
		{path: "/holdfast/../config"},
		{path: "/holdfast//x"},
		{path: "/holdfast/x\x00"},
		{path: `/a\b/config`},
	}
	for _, test := range tests {
		got, err := parsePath(test.path)
		if (err == nil) != test.ok {
			t.Errorf("parsePath(%q) = %+v, %v", test.path, got, err)
		}
		if test.ok && !reflect.DeepEqual(got, test.want) {
			t.Errorf("parsePath(%q) = %+v, want %+v", test.path, got, test.want)
		}
	}
}

// Whatever a client asks for lies in the repository, and that below the root.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b/config", "/../x/holdfast/..", "/a/data/", "/holdfast/a/../b", "config"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parsePath(path)
		if err != nil {
			return
		}
		if got.dir() != "" && storage.CheckKey(got.dir()) != nil {
			t.Errorf("parsePath(%q) leads to the folder %q", path, got.dir())
		}
		switch got.what {
		case object:
			if storage.CheckKey(got.key) != nil {
				t.Errorf("parsePath(%q) leads to the key %q", path, got.key)
			}
		case list:
			if storage.CheckPrefix(got.key) != nil {
				t.Errorf("parsePath(%q) leads to the prefix %q", path, got.key)
			}
		}
	})
}
