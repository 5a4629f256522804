package arch_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

// tree makes a module of one-line files: path → imports, or source text when
// the value has more than one line.
func tree(files map[string]string) fstest.MapFS {
	made := fstest.MapFS{"go.mod": {Data: []byte("module made.up/name\n\ngo 1.26\n")}}
	for name, content := range files {
		if !strings.Contains(content, "\n") {
			content = "package p\n\nimport _ \"" + content + "\"\n"
		}
		made[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return made
}

func TestCheckFindsViolations(t *testing.T) {
	cases := []struct {
		name, file, content string
		want                string // part of the violation; "" when allowed
	}{
		{"outwards", "internal/backup/a.go", "made.up/name/internal/config", "imports point inwards"},
		{"job to job", "internal/backup/a.go", "made.up/name/internal/restore", "jobs do not know each other"},
		{"job to implementation", "internal/backup/a.go", "made.up/name/storage/local", "only the shell names implementations"},
		{"public to implementation", "repository/a.go", "made.up/name/storage/mem", "only the shell names implementations"},
		{"interface to its implementation", "internal/source/a.go", "made.up/name/internal/source/files", "only the shell names implementations"},
		{"public to internal", "storage/local/a.go", "made.up/name/internal/size", "public packages stand without"},
		{"storage to repository", "storage/a.go", "made.up/name/repository/id", "without a shortcut"},
		{"rule with a file", "internal/retention/a.go", "os/exec", "rules do no I/O"},
		{"rule with a store", "internal/retention/a.go", "made.up/name/storage", "values only"},
		{"basic to rule", "internal/size/a.go", "made.up/name/internal/retention", "imports point inwards"},
		{"basic to basic", "internal/size/a.go", "made.up/name/internal/secret", "without a shortcut"},
		{"product to tool", "internal/app/a.go", "made.up/name/test/tools", "imports point inwards"},
		{"unknown package", "internal/util/a.go", "fmt", "internal/util stands in no ring: add it"},
		{"unknown import", "internal/backup/a.go", "made.up/name/internal/util", "stands in no ring: add it"},
		{"init", "storage/a.go", "package p\n\nfunc init() {}\n", "init() runs in every program"},
		{"exit", "internal/cli/a.go", "package p\n\nimport \"os\"\n\nfunc f() { os.Exit(1) }\n", "only main exits"},
		{"clock", "internal/retention/a.go", "package p\n\nimport \"time\"\n\nvar _ = time.Now\n", "rules have no clock"},
		{"a file for another system", "internal/backup/a_windows.go", "made.up/name/internal/cli", "imports point inwards"},

		{"inwards", "internal/backup/a.go", "made.up/name/internal/source", ""},
		{"job to public", "internal/backup/a.go", "made.up/name/repository/tree", ""},
		{"shell to implementation", "internal/app/a.go", "made.up/name/storage/local", ""},
		{"shortcut", "internal/cli/a.go", "made.up/name/internal/app", ""},
		{"public shortcut", "repository/a.go", "made.up/name/storage", ""},
		{"within a family", "repository/internal/index/a.go", "made.up/name/repository/blob", ""},
		{"implementation to its interface", "internal/source/files/a.go", "made.up/name/internal/source", ""},
		{"rule to a value", "internal/retention/a.go", "made.up/name/repository/id", ""},
		{"a test", "internal/backup/a_test.go", "made.up/name/storage/mem", ""},
		{"test data", "internal/backup/testdata/a.go", "made.up/name/storage/mem", ""},
		{"main exits", "cmd/holdfast/main.go", "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found, err := check(tree(map[string]string{c.file: c.content}))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(found, "\n")
			switch {
			case c.want == "" && got != "":
				t.Errorf("found %s", got)
			case c.want != "" && (len(found) != 1 || !strings.Contains(got, c.want) || !strings.HasPrefix(got, c.file+":")):
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestCheckLeavesOtherModulesAlone(t *testing.T) {
	made := tree(map[string]string{"somewhere/example/a.go": "made.up/name/internal/cli"})
	made["somewhere/example/go.mod"] = &fstest.MapFile{Data: []byte("module example\n")}
	found, err := check(made)
	if err != nil || len(found) != 0 {
		t.Errorf("found %q, %v", found, err)
	}
}

func TestCheckRefusesWhatItCannotRead(t *testing.T) {
	if _, err := check(tree(map[string]string{"storage/a.go": "package p\nimport {\n"})); err == nil {
		t.Error("a file that does not parse passes")
	}
	if _, err := check(fstest.MapFS{}); err == nil {
		t.Error("a tree without go.mod passes")
	}
}
