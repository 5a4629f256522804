package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"strings"
	"time"
)

// debFile packs a Debian package; see deb(5).
func debFile(control, files tree, when time.Time) ([]byte, error) {
	b := new(bytes.Buffer)
	b.WriteString("!<arch>\n")
	member(b, "debian-binary", []byte("2.0\n"), when)
	for _, part := range []struct {
		name string
		tree tree
	}{{"control.tar.gz", control}, {"data.tar.gz", files}} {
		var packed bytes.Buffer
		if err := part.tree.pack(&packed, "./", when); err != nil {
			return nil, err
		}
		small, err := zip(packed.Bytes())
		if err != nil {
			return nil, err
		}
		member(b, part.name, small, when)
	}
	return b.Bytes(), nil
}

// member adds a file to an archive of ar(5).
func member(b *bytes.Buffer, name string, data []byte, when time.Time) {
	fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", name, when.Unix(), 0, 0, 0o100644, len(data))
	b.Write(data)
	if len(data)%2 == 1 {
		b.WriteByte('\n')
	}
}

// md5sums lists the files for dpkg --verify, as deb-md5sums(5) wants it.
func (t tree) md5sums() []byte {
	var b bytes.Buffer
	for _, name := range t.names() {
		if !t[name].folder {
			fmt.Fprintf(&b, "%x  %s\n", md5.Sum(t[name].data), name)
		}
	}
	return b.Bytes()
}

// kibibytes is what the files take, as a package says it.
func (t tree) kibibytes() int {
	sum := 0
	for _, n := range t.whole() {
		sum += (len(n.data)+1023)/1024 + 1
	}
	return sum
}

// debVersion writes a version so that dpkg orders it as people do; see
// deb-version(7). What git says of a commit without a tag is older than all
// versions.
func debVersion(version string) string {
	v := strings.TrimPrefix(version, "v")
	if v == "" || v[0] < '0' || v[0] > '9' || !strings.Contains(v, ".") {
		v = "0~git+" + v
	}
	for _, early := range []string{"rc", "beta", "alpha"} {
		v = strings.ReplaceAll(v, "-"+early, "~"+early)
	}
	return strings.ReplaceAll(v, "-", "+")
}
