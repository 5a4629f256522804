// Command release makes what is handed out, in dist/, with a file of checksums:
//
//	go run ./tools/release [-version V] [-out dist] [-systems linux/amd64,...] [-sign-key FILE]
//
// For every supported system it builds the program; for Linux also Debian
// packages, one container image for all processors, which `docker load` and
// `podman load` read, and a list of the modules that went in (CycloneDX). With a key of
// minisign the checksums are signed.
//
// The builds are static, without paths of this machine, and the same wherever
// they are made of the same commit with the same Go version; the image also
// has this machine's list of certificate authorities (-certificates).
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// systems are those that are built for, in Go's names.
const systems = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,freebsd/amd64,windows/amd64"

// maintainer is who answers for the packages, unless -maintainer says otherwise.
// The address is of nobody: whoever publishes packages gives their own, and
// nothing is signed without.
const maintainer = "holdfast maintainers <maintainers@holdfast.example>"

// target is a system to build for.
type target struct{ system, processor string }

// release is what is being made.
type release struct {
	root         string // the checkout
	folder       string
	version      string
	commit       string
	maintainer   string
	certificates string
	program      string // one that is built already
	key          string // of minisign, "" for no signature
	parts        string // what is made besides programs
	made         time.Time
	targets      []target
	out          io.Writer
	files        []string // made so far
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	r := &release{out: out}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&r.root, "root", ".", "the checkout")
	flags.StringVar(&r.version, "version", "", "the version to stamp in; that of the git checkout when empty")
	flags.StringVar(&r.folder, "out", "dist", "the folder to write to")
	flags.StringVar(&r.maintainer, "maintainer", maintainer, "who answers for the Debian packages")
	flags.StringVar(&r.certificates, "certificates", "/etc/ssl/certs/ca-certificates.crt", "the certificate authorities in the image")
	flags.StringVar(&r.program, "program", "", "package this program, for a single system, in place of building one")
	flags.StringVar(&r.parts, "parts", "deb,image,modules", "what to make besides programs")
	flags.StringVar(&r.key, "sign-key", "", "the secret key of minisign to sign the checksums with")
	wanted := flags.String("systems", systems, "the systems to build for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if r.targets, err = parseTargets(*wanted); err != nil {
		return err
	}
	if r.program != "" && len(r.targets) != 1 {
		return fmt.Errorf("-program is for one system; name it: -systems linux/amd64")
	}
	if err := r.checkMaintainer(); err != nil {
		return err
	}
	if err := r.describe(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder, 0o755); err != nil {
		return err
	}
	return r.make(ctx)
}

func parseTargets(list string) ([]target, error) {
	var all []target
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(strings.Split(systems, ","), name) {
			return nil, fmt.Errorf("system %q: there are %s", name, systems)
		}
		system, processor, _ := strings.Cut(name, "/")
		all = append(all, target{system, processor})
	}
	return all, nil
}

// make makes everything.
func (r *release) make(ctx context.Context) error {
	programs := map[string]string{} // of Linux, by processor
	for _, t := range r.targets {
		path := filepath.Join(r.folder, t.file(r.version))
		if err := r.build(ctx, t, path); err != nil {
			return fmt.Errorf("build for %s/%s: %w", t.system, t.processor, err)
		}
		r.note(path)
		if t.system == "linux" {
			programs[t.processor] = path
		}
	}
	if len(programs) > 0 {
		if err := r.packageLinux(ctx, programs); err != nil {
			return err
		}
	}
	if err := r.writeSums(); err != nil {
		return err
	}
	return r.sign(ctx)
}

func (r *release) packageLinux(ctx context.Context, programs map[string]string) error {
	licenses, err := r.licenses(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.targets {
		if t.system != "linux" || !r.has("deb") {
			continue
		}
		if err := r.debian(t, programs[t.processor], licenses); err != nil {
			return fmt.Errorf("make the Debian package for %s: %w", t.processor, err)
		}
	}
	if r.has("image") {
		if err := r.image(ctx, programs, licenses); err != nil {
			return fmt.Errorf("make the image: %w", err)
		}
	}
	if r.has("modules") {
		if err := r.modules(programs); err != nil {
			return fmt.Errorf("list the modules: %w", err)
		}
	}
	return nil
}

func (r *release) has(part string) bool { return slices.Contains(strings.Split(r.parts, ","), part) }

// note notes a file that is made.
func (r *release) note(path string) {
	r.files = append(r.files, path)
	fmt.Fprintln(r.out, path)
}

// describe finds out what is released: the version as git sees it, and when
// its commit was made. All times in what is made are that one, or
// SOURCE_DATE_EPOCH; see reproducible-builds.org.
func (r *release) describe(ctx context.Context) error {
	var err error
	if r.version == "" {
		if r.version, err = r.git(ctx, "describe", "--tags", "--always", "--dirty"); err != nil {
			return fmt.Errorf("ask git for the version (or give -version): %w", err)
		}
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = r.git(ctx, "log", "-1", "--format=%ct"); err != nil {
			return fmt.Errorf("ask git when the commit was made (or set SOURCE_DATE_EPOCH): %w", err)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r.made = time.Unix(seconds, 0).UTC()
	r.commit, err = r.git(ctx, "rev-parse", "HEAD")
	if err != nil {
		r.commit = "" // made of an archive of the source
	}
	return nil
}

// writeSums writes the file that sha256sum --check reads.
func (r *release) writeSums() error {
	var sums strings.Builder
	for _, path := range r.files {
		sum, err := sumOf(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, filepath.Base(path))
	}
	return os.WriteFile(filepath.Join(r.folder, sumsFile), []byte(sums.String()), 0o644)
}

// sumOf returns the SHA-256 of a file, in hex.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("sum %s: %w", path, err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
