package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/app/unit"
	"holdfast/internal/cli"
)

// debian makes the package for one processor.
func (r *release) debian(t target, program string, licenses []byte) error {
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	files, err := r.debianFiles(licenses)
	if err != nil {
		return err
	}
	files.file("usr/bin/holdfast", 0o755, binary)
	version := debVersion(r.version)
	control, err := r.debianControl(files, map[string]string{
		"version": version, "architecture": t.processor, "maintainer": r.maintainer, "size": strconv.Itoa(files.kibibytes()),
	})
	if err != nil {
		return err
	}
	deb, err := debFile(control, files, r.made)
	if err != nil {
		return err
	}
	path := filepath.Join(r.folder, fmt.Sprintf("holdfast_%s_%s.deb", version, t.processor))
	if err := os.WriteFile(path, deb, 0o644); err != nil {
		return err
	}
	r.note(path)
	return nil
}

// debianControl is what the package manager reads.
func (r *release) debianControl(files tree, values map[string]string) (tree, error) {
	control := tree{}
	fields, err := r.debianPart("control")
	if err != nil {
		return nil, err
	}
	for name, value := range values {
		fields = bytes.ReplaceAll(fields, []byte("{"+name+"}"), []byte(value))
	}
	control.file("control", 0o644, fields)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		text, err := r.debianPart(script)
		if err != nil {
			return nil, err
		}
		control.file(script, 0o755, text)
	}
	control.file("md5sums", 0o644, files.md5sums())
	return control, nil
}

func (r *release) debianPart(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(r.root, "packaging", "debian", name))
}

// debianFiles is what is installed besides the program.
func (r *release) debianFiles(licenses []byte) (tree, error) {
	files := tree{"etc/holdfast": {mode: 0o755, folder: true}}
	service := unit.Packaged()
	files.file("usr/lib/systemd/system/"+unit.Name, 0o644, []byte(packagedText(&service)))
	if err := completions(files); err != nil {
		return nil, err
	}
	if err := r.manuals(files); err != nil {
		return nil, err
	}
	return files, r.documents(files, licenses)
}

// packagedText is the unit with a head that is true of a package's.
func packagedText(s *unit.Spec) string {
	_, settings, _ := strings.Cut(s.Text(), "\n\n")
	return "# Of the package. `holdfast service install` adds what your holdfast.yaml needs in a\n" +
		"# drop-in; your own belong beside it: systemctl edit holdfast\n\n" + settings
}

// completions are what shells complete command lines with.
func completions(files tree) error {
	root := cli.Tree()
	for name, write := range map[string]func(*cobra.Command, *bytes.Buffer) error{
		"usr/share/bash-completion/completions/holdfast":    func(c *cobra.Command, b *bytes.Buffer) error { return c.GenBashCompletionV2(b, true) },
		"usr/share/zsh/vendor-completions/_holdfast":        func(c *cobra.Command, b *bytes.Buffer) error { return c.GenZshCompletion(b) },
		"usr/share/fish/vendor_completions.d/holdfast.fish": func(c *cobra.Command, b *bytes.Buffer) error { return c.GenFishCompletion(b, true) },
	} {
		var b bytes.Buffer
		if err := write(root, &b); err != nil {
			return err
		}
		files.file(name, 0o644, b.Bytes())
	}
	return nil
}

func (r *release) manuals(files tree) error {
	pages, err := filepath.Glob(filepath.Join(r.root, "docs", "man", "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := files.zipped("usr/share/man/man1/"+filepath.Base(page)+".gz", text); err != nil {
			return err
		}
	}
	return nil
}

// documents are what Debian's policy wants, and examples.
func (r *release) documents(files tree, licenses []byte) error {
	const doc = "usr/share/doc/holdfast/"
	copyright, err := r.debianPart("copyright")
	if err != nil {
		return err
	}
	files.file(doc+"copyright", 0o644, copyright)
	overrides, err := r.debianPart("lintian-overrides")
	if err != nil {
		return err
	}
	files.file("usr/share/lintian/overrides/holdfast", 0o644, overrides)
	if err := files.zipped(doc+"third-party-licenses.gz", licenses); err != nil {
		return err
	}
	if err := files.zipped(doc+"changelog.gz", r.debianChangelog()); err != nil {
		return err
	}
	examples, err := filepath.Glob(filepath.Join(r.root, "examples", "config", "*.yaml"))
	if err != nil {
		return err
	}
	for _, example := range examples {
		text, err := os.ReadFile(example)
		if err != nil {
			return err
		}
		files.file(doc+"examples/"+filepath.Base(example), 0o644, text)
	}
	return nil
}

func (r *release) debianChangelog() []byte {
	return fmt.Appendf(nil, "holdfast (%s) stable; urgency=medium\n\n  * See the folder changelog/ of the source.\n\n -- %s  %s\n",
		debVersion(r.version), r.maintainer, r.made.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}
