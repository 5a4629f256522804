package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// imageUser is who the program is in the image.
const imageUser = 10001

// image makes one image for all processors: an archive of an OCI layout, which
// docker load reads as well.
func (r *release) image(ctx context.Context, programs map[string]string, licenses []byte) error {
	im := image{files: tree{}, made: r.made}
	for _, processor := range slices.Sorted(maps.Keys(programs)) {
		root, err := r.rootOf(ctx, programs[processor], licenses)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("holdfast:%s-%s", r.version, processor)
		if err := im.add(processor, name, root, r.imageConfig()); err != nil {
			return err
		}
	}
	if err := im.end("holdfast:" + r.version); err != nil {
		return err
	}
	path := filepath.Join(r.folder, fmt.Sprintf("holdfast_%s_image.tar", r.version))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := im.files.pack(f, "", time.Unix(0, 0)); err != nil {
		return err
	}
	r.note(path)
	return f.Close()
}

// rootOf is the root file system of the image: the program, what TLS and time
// zones need, and folders it may write to.
func (r *release) rootOf(ctx context.Context, program string, licenses []byte) (tree, error) {
	goroot, err := r.output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return nil, fmt.Errorf("find Go's time zones: %w", err)
	}
	root := tree{
		"etc/holdfast":       {mode: 0o770, folder: true, gid: imageUser},
		"var/lib/holdfast":   {mode: 0o700, folder: true, uid: imageUser, gid: imageUser},
		"var/cache/holdfast": {mode: 0o700, folder: true, uid: imageUser, gid: imageUser},
		"tmp":                {mode: 0o1777, folder: true},
		"var/tmp":            {mode: 0o1777, folder: true},
	}
	root.file("etc/passwd", 0o644, fmt.Appendf(nil, "root:x:0:0:root:/:/nologin\nholdfast:x:%[1]d:%[1]d:backups:/var/lib/holdfast:/nologin\n", imageUser))
	root.file("etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\nholdfast:x:%d:\n", imageUser))
	for _, part := range []struct {
		to, from string
		mode     int64
	}{
		{"usr/bin/holdfast", program, 0o755},
		{"etc/ssl/certs/ca-certificates.crt", r.certificates, 0o644},
		{"usr/share/zoneinfo.zip", filepath.Join(goroot, "lib", "time", "zoneinfo.zip"), 0o644},
		{"usr/share/doc/holdfast/LICENSE", filepath.Join(r.root, "LICENSE"), 0o644},
	} {
		data, err := os.ReadFile(part.from)
		if err != nil {
			return nil, err
		}
		root.file(part.to, part.mode, data)
	}
	return root, root.zipped("usr/share/doc/holdfast/third-party-licenses.gz", licenses)
}

func (r *release) imageConfig() imageConfig {
	return imageConfig{
		User:       fmt.Sprintf("%[1]d:%[1]d", imageUser),
		Entrypoint: []string{"/usr/bin/holdfast"},
		Cmd:        []string{"serve"},
		WorkingDir: "/var/lib/holdfast",
		Env: []string{
			"PATH=/usr/bin", "HOME=/var/lib/holdfast", "HOLDFAST_CONFIG=/etc/holdfast/holdfast.yaml",
			"HOLDFAST_STATE_DIR=/var/lib/holdfast", "HOLDFAST_CACHE_DIR=/var/cache/holdfast",
			"TMPDIR=/var/tmp", "ZONEINFO=/usr/share/zoneinfo.zip",
		},
		Volumes:      map[string]struct{}{"/etc/holdfast": {}, "/var/lib/holdfast": {}},
		ExposedPorts: map[string]struct{}{"9898/tcp": {}},
		StopSignal:   "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":       "holdfast",
			"org.opencontainers.image.description": "backup and disaster recovery that proves itself",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     r.version,
			"org.opencontainers.image.revision":    r.commit,
		},
	}
}

// packed returns a tree as an archive, and the same compressed.
func packed(t tree, when time.Time) (plain, small []byte, err error) {
	var b bytes.Buffer
	if err := t.pack(&b, "", when); err != nil {
		return nil, nil, err
	}
	small, err = zip(b.Bytes())
	return b.Bytes(), small, err
}
