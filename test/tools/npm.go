package tools

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// npmProgram is the recipe of a program of the npm registry at one exact
// version. It is started through the link npm makes, so it wants node.
func npmProgram(name, version, program string) recipe {
	return recipe{
		version: version,
		binary:  filepath.Join("node_modules", ".bin", program),
		native:  true,
		make: func(ctx context.Context, dir string) error {
			return npmInstall(ctx, dir, name, version)
		},
	}
}

// npmFile is the recipe of one file of a package of the npm registry, by its
// version and the SHA-256 of the file.
func npmFile(name, version, file, sum string) recipe {
	r := npmProgram(name, version, "")
	r.binary = filepath.Join("node_modules", name, file)
	r.make = func(ctx context.Context, dir string) error {
		if err := npmInstall(ctx, dir, name, version); err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, r.binary))
		if err != nil {
			return err
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != sum {
			return fmt.Errorf("%s of %s %s has the SHA-256 %s, want %s", file, name, version, got, sum)
		}
		return nil
	}
	return r
}

func npmInstall(ctx context.Context, dir, name, version string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("%s needs node and npm (apt-get install nodejs npm): %w", name, err)
	}
	// npm puts packages beside the nearest package.json; without one
	// here it could take a folder above.
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{\"private\": true}\n"), 0o644); err != nil {
		return err
	}
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--omit=dev", "--ignore-scripts", "--save-exact", name+"@"+version)
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install %s@%s: %w\n%s", name, version, err, bytes.TrimSpace(out))
	}
	return nil
}
