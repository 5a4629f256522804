package config

import (
	"errors"
	"strings"
	"testing"
)

func TestWatcher(t *testing.T) {
	const good = "include: [conf.d/*.yaml]\nrepositories: { r: { url: /r, password: { env: P } } }\n"
	f := files{mainFile: good}
	w := &Watcher{path: mainFile, from: f.reader()}
	if _, err := w.Read(); err != nil {
		t.Fatal(err)
	}
	poll := func(what string, isNew, isWrong bool) {
		t.Helper()
		c, err := w.Poll()
		if (c != nil) != isNew || (err != nil) != isWrong {
			t.Fatalf("%s: got %v, %v", what, c, err)
		}
	}
	poll("nothing has changed", false, false)

	f["/etc/conf.d/a.yaml"] = "sources: { a: { files: { paths: [/a] } } }\n"
	poll("a new file, perhaps still being written", false, false)
	poll("a new file", true, false)
	poll("nothing has changed since", false, false)

	f["/etc/conf.d/a.yaml"] = "sources: { a: { files: { paths: [/a"
	poll("half a file", false, false)
	f["/etc/conf.d/a.yaml"] = "sources: { a: { files: { paths: [/b] } } }\n"
	poll("all of it, perhaps", false, false)
	poll("all of it", true, false)

	f[mainFile] = "include: [conf.d/*.yaml\n"
	poll("a wrong file", false, false)
	poll("a wrong file that stays", false, true)
	poll("what is wrong is said once", false, false)
	f["/etc/conf.d/a.yaml"] = ""
	poll("a file that the wrong one does not lead to", false, false)
	if _, err := w.Read(); err == nil {
		t.Error("a reading that somebody asks for says nothing of what is wrong")
	}

	f[mainFile] = strings.Replace(good, "conf.d/*.yaml", "later.yaml", 1)
	poll("an include that is not there", false, false)
	poll("an include that stays away", false, true)
	f["/etc/later.yaml"] = ""
	poll("it comes", false, false)
	poll("it is there", true, false)

	delete(f, mainFile)
	poll("no file", false, false)
	poll("still none", false, true)
	poll("which is said once", false, false)
	f[mainFile] = good
	poll("there it is again", false, false)
	poll("there it is", true, false)
}

func TestWatchOfNothing(t *testing.T) {
	_, _, err := Watch(t.TempDir() + "/none.yaml")
	var problems Problems
	if err == nil || errors.As(err, &problems) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("got %v", err)
	}
}
